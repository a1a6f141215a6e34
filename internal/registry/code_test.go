// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package registry

import (
	"testing"

	. "github.com/onsi/gomega"
)

// A refusal is read as registries write it: each field absent, empty, of another type, or doubled.
func TestTheCodeOfARefusal(t *testing.T) {
	for name, tt := range map[string]struct{ body, want string }{
		"as the specification has it":                {`{"errors":[{"code":"DENIED","message":"m","detail":null}]}`, codeDenied},
		"no message":                                 {`{"errors":[{"code":"DENIED"}]}`, codeDenied},
		"a detail of any type":                       {`{"errors":[{"code":"DENIED","detail":{"a":[1]}}]}`, codeDenied},
		"its own code before a known one":            {`{"errors":[{"code":"X_OURS"},{"code":"DENIED"}]}`, codeDenied},
		"two that are known":                         {`{"errors":[{"code":"UNAUTHORIZED"},{"code":"DENIED"}]}`, codeUnauthorized},
		"a number for a code, and another":           {`{"errors":[{"code":403},{"code":"DENIED"}]}`, codeDenied},
		"an empty code":                              {`{"errors":[{"code":""}]}`, ""},
		"an entry that is null":                      {`{"errors":[null,{"code":"DENIED"}]}`, codeDenied},
		"no errors":                                  {`{"errors":[]}`, ""},
		"errors that are null":                       {`{"errors":null}`, ""},
		"errors of another form":                     {`{"errors":{"code":"DENIED"}}`, ""},
		"one error without a list":                   {`{"code":"DENIED"}`, ""},
		"errors twice, of which JSON takes the last": {`{"errors":[{"code":"UNKNOWN"}],"errors":[{"code":"DENIED"}]}`, codeDenied},
		"a code in lower case is no code":            {`{"errors":[{"code":"denied"}]}`, ""},
		"a page":                                     {`<html>`, ""},
		"nothing":                                    {``, ""},
	} {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(answer{body: []byte(tt.body)}.code()).To(Equal(tt.want))
		})
	}
}
