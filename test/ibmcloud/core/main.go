// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/IBM/go-sdk-core/v5/core"
)

// input is what comes on standard input: where the stand-in listens, its CA, and a key that works.
type input struct{ Address, CA, Key string }

func main() {
	if err := judge(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(ctx context.Context) error {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(in.CA))
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, in.Address)
		},
	}}
	known, err := core.NewIamAuthenticatorBuilder().SetApiKey(in.Key).SetURL("https://iam.cloud.ibm.com").SetClient(client).Build()
	if err != nil {
		return err
	}
	first, err := known.GetToken()
	if err != nil {
		return fmt.Errorf("trade the key: %w", err)
	}
	second, err := known.GetToken()
	if err != nil {
		return fmt.Errorf("trade the key again: %w", err)
	}
	fmt.Println("the token is kept:", first != "" && first == second)
	if err := ask(ctx, known, client, in.Key); err != nil {
		return err
	}
	unknown, err := core.NewIamAuthenticatorBuilder().SetApiKey("a-key-that-nobody-has").SetURL("https://iam.cloud.ibm.com").SetClient(client).Build()
	if err != nil {
		return err
	}
	_, err = unknown.GetToken()
	var refused *core.AuthenticationError
	if !errors.As(err, &refused) || refused.Response == nil {
		return fmt.Errorf("an unknown key is not refused as one: %w", err)
	}
	fmt.Println("another is refused:", refused.Response.StatusCode)
	return nil
}

// ask has a service of the core ask for the details of the key.
func ask(ctx context.Context, known core.Authenticator, client *http.Client, key string) error {
	service, err := core.NewBaseService(&core.ServiceOptions{URL: "https://iam.cloud.ibm.com", Authenticator: known})
	if err != nil {
		return err
	}
	service.SetHTTPClient(client)
	builder := core.NewRequestBuilder(core.GET).WithContext(ctx)
	if _, err := builder.ResolveRequestURL("https://iam.cloud.ibm.com", "/v1/apikeys/details", nil); err != nil {
		return err
	}
	builder.AddHeader("IAM-ApiKey", key).AddHeader("Accept", "application/json")
	request, err := builder.Build()
	if err != nil {
		return err
	}
	var details struct {
		ID string `json:"id"`
	}
	response, err := service.Request(request, &details)
	if err != nil {
		return fmt.Errorf("ask with the token: %w", err)
	}
	fmt.Println("a service is answered:", response.StatusCode, details.ID != "")
	return nil
}
