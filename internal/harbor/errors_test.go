// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harbor

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
)

// A refusal is read as it is written: each field absent, empty, of another type, or doubled.
func TestWhatHarborsRefusalSays(t *testing.T) {
	for name, tt := range map[string]struct{ body, code, text string }{
		"as Harbor has it":        {`{"errors":[{"code":"FORBIDDEN","message":"no right"}]}`, "FORBIDDEN", "no right"},
		"without a message":       {`{"errors":[{"code":"FORBIDDEN"}]}`, "FORBIDDEN", ""},
		"an entry before without": {`{"errors":[{"message":"x"},{"code":"FORBIDDEN","message":"no right"}]}`, "FORBIDDEN", "no right"},
		"an entry before is null": {`{"errors":[null,{"code":"FORBIDDEN","message":"no right"}]}`, "FORBIDDEN", "no right"},
		"a number before":         {`{"errors":[{"code":403},{"code":"FORBIDDEN","message":"no right"}]}`, "FORBIDDEN", "no right"},
		"two":                     {`{"errors":[{"code":"FORBIDDEN","message":"no right"},{"code":"UNKNOWN"}]}`, "FORBIDDEN", "no right"},
		"none":                    {`{"errors":[]}`, "", ""},
		"null":                    {`{"errors":null}`, "", ""},
		"of another form":         {`{"errors":{"code":"FORBIDDEN"}}`, "", ""},
		"a code in lower case":    {`{"errors":[{"code":"forbidden","message":"x"}]}`, "", ""},
		"a page":                  {`<html>`, "", ""},
		"nothing":                 {``, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			failure := request{}.unwanted(http.StatusForbidden, []byte(tt.body))
			g.Expect(failure.Code).To(Equal(tt.code))
			want := Unexpected
			if tt.code != "" {
				want = Forbidden
				g.Expect(failure.Text).To(Equal(tt.text))
			}
			g.Expect(failure.Kind).To(Equal(want))
		})
	}
}
