// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	edgev1 "github.com/edge-registry/edge-registry-operator/api/v1alpha1"
	"github.com/edge-registry/edge-registry-operator/internal/credential"
	"github.com/edge-registry/edge-registry-operator/internal/exchange"
	"github.com/edge-registry/edge-registry-operator/internal/handoff"
	exchangetest "github.com/edge-registry/edge-registry-operator/test/exchange"
)

const (
	organization, publishingUser, edgeNode = "plant", "alice", "gateway"
	exchangeName                           = "exchange" // of the Secret and of the ConfigMap
)

// delivery is an Exchange with a service, and a node that runs it.
type delivery struct {
	*demo
	exchange *exchangetest.Exchange
	node     *exchangetest.Agent
	service  string // organisation and id
	consumer consumer
}

// renewAtNode shows that a token which is renewed reaches a node that nobody touches.
func (o *openShift) renewAtNode(ctx context.Context) error {
	d := &delivery{demo: o.demo, exchange: exchangetest.Start(exchangetest.Options{})}
	o.delivery = d
	if err := d.publish(ctx); err != nil {
		return err
	}
	if err := d.pull(ctx, "the node runs the service, and keeps the login that it has read"); err != nil {
		return err
	}
	if err := d.supply(ctx); err != nil {
		return err
	}
	return d.rotate(ctx)
}

// publish does what the documented call does: hzn exchange service publish -r "$HZN_REGISTRY_AUTH" -f service.json.
func (d *delivery) publish(ctx context.Context) (err error) {
	if d.consumer, err = d.demo.consumer(ctx, edgev1.SecretPublish); err != nil {
		return err
	}
	secret, err := d.secret(ctx, edgev1.SecretPublish)
	if err != nil {
		return err
	}
	// hzn cuts it at the first two colons.
	login := strings.SplitN(string(secret.Data[handoff.KeyRegistryAuth]), ":", 3)
	if len(login) != 3 {
		return fmt.Errorf("%s of Secret %s is no HOST:USER:TOKEN", handoff.KeyRegistryAuth, secret.Name)
	}
	x, node := d.exchange, rand.Text()
	x.AddUser(organization, publishingUser, rand.Text(), false)
	d.service = x.Publish(organization+"/"+publishingUser, exchangetest.Definition{URL: "hello", Image: d.consumer.image()})
	x.AddLogin(d.service, login[0], login[1], login[2])
	d.term.good(`published, as by hzn exchange service publish -r "$` + handoff.KeyRegistryAuth + `": ` + d.service)
	x.AddNode(organization, edgeNode, node, publishingUser, d.service)
	d.node, err = x.NewAgent(ctx, organization, edgeNode, node)
	return err
}

// pull has the node pull the service's image from the registry by what it holds, which has to be the current login, and says
// what that shows.
func (d *delivery) pull(ctx context.Context, shows string) error {
	secret, err := d.secret(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	current, _ := handoff.Token(secret.Data)
	pulled, err := d.node.Pull(ctx, d.service, string(secret.Data[handoff.KeyHost]), func(user, token string) bool {
		shown := credential.NewToken(token)
		return shown.Equal(current) && d.takes(ctx, user, shown)
	})
	if err != nil {
		return err
	}
	if !pulled.OK || pulled.Waited > 0 {
		return errors.New("the node did not pull at its first attempt, by the current login")
	}
	d.term.good("the node pulls by the login of the service: " + shows)
	return nil
}

// takes asks the registry for the image.
func (d *delivery) takes(ctx context.Context, user string, token credential.Token) bool {
	c := d.consumer.client
	c.User, c.Token = user, token
	_, err := c.Pull(ctx, d.consumer.image())
	return err == nil
}

// supply does what the admins of the cluster do: a Secret that says who asks the Exchange, and spec.exchanges.
func (d *delivery) supply(ctx context.Context) error {
	password := rand.Text()
	d.exchange.AddUser(organization, publishingUser, password, false)
	for _, object := range []client.Object{
		&corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: suppliedTo, Name: exchangeName,
				Labels:      map[string]string{"edge.open-horizon.io/credentials": "true"},
				Annotations: map[string]string{edgev1.ForAnnotation: objectName},
			},
			StringData: map[string]string{
				exchange.KeyURL: d.exchange.URL, exchange.KeyOrg: organization, exchange.KeyAuth: publishingUser + ":" + password,
			},
		},
		&corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: exchangeName},
			Data:       map[string]string{handoff.KeyCA: string(d.exchange.CA)},
		},
	} {
		if err := d.api.Create(ctx, object); err != nil {
			return fmt.Errorf("supply the %T of the Exchange: %w", object, err)
		}
	}
	if err := d.kubectl(ctx, "get", "secrets", "-n", suppliedTo, "--show-labels"); err != nil {
		return err
	}
	err := d.kubectl(ctx, "patch", "edgereg", objectName, "--type=merge", "-p", `{"spec":{"exchanges":[{"credentialsSecretRef":{"name":"`+
		exchangeName+`"},"caBundleRef":{"name":"`+exchangeName+`","key":"`+handoff.KeyCA+`"}}]}}`)
	if err != nil {
		return err
	}
	err = poll(ctx, "the Exchange was not looked at", func(ctx context.Context) (bool, error) {
		edge := &edgev1.EdgeRegistry{}
		err := d.api.Get(ctx, client.ObjectKey{Name: objectName}, edge)
		return err == nil && edge.Status.Exchange != nil && edge.Status.Exchange.Synced == 1, err
	})
	if err != nil {
		return err
	}
	return d.kubectl(ctx, "get", "edgereg", objectName, "-o",
		`jsonpath={.status.conditions[?(@.type=="`+edgev1.ExchangeUpdated+`")].message}`)
}

// rotate has the operator renew the tokens, and the node go on by itself.
func (d *delivery) rotate(ctx context.Context) error {
	before, err := d.secret(ctx, edgev1.SecretPull)
	if err != nil {
		return err
	}
	renewed := time.Now()
	if err := d.kubectl(ctx, "annotate", "edgereg", objectName, edgev1.RotateAnnotation+"=1"); err != nil {
		return err
	}
	old, _ := handoff.Token(before.Data)
	err = poll(ctx, "the renewed token did not come to the Exchange", func(ctx context.Context) (bool, error) {
		secret, err := d.secret(ctx, edgev1.SecretPull)
		if err != nil {
			return false, err
		}
		token, _ := handoff.Token(secret.Data)
		logins := d.exchange.Logins(d.service)
		return !token.Equal(old) && len(logins) == 1 && credential.NewToken(logins[0].Token).Equal(token), nil
	})
	if err != nil {
		return err
	}
	d.term.good(fmt.Sprintf("the Exchange holds the renewed token, and nothing else, after %.2fs", time.Since(renewed).Seconds()))
	message, err := d.event(ctx, edgev1.ReasonLoginDelivered, "brought login 2 ")
	if err != nil {
		return err
	}
	d.term.good("event " + edgev1.ReasonLoginDelivered + ": " + message)
	d.exchange.Clock.Advance(exchangetest.PollInterval)
	if err := d.node.Poll(ctx); err != nil {
		return err
	}
	return d.pull(ctx, "the renewed one, and nobody touched the node")
}

// left says that the login is in the Exchange no more.
func (d *delivery) left() error {
	if n := len(d.exchange.Logins(d.service)); n > 0 {
		return fmt.Errorf("the Exchange holds %d logins that are revoked", n)
	}
	d.term.good("the Exchange holds the login no more")
	return nil
}
