// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package exchange

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/edge-registry/edge-registry-operator/internal/credential"
)

// The names of the three values, which hzn reads from its environment.
const (
	KeyURL  = "HZN_EXCHANGE_URL"
	KeyOrg  = "HZN_ORG_ID"
	KeyAuth = "HZN_EXCHANGE_USER_AUTH"
)

// Login is the address of an Exchange with an organisation and a user.
type Login struct {
	// Base is the address of the API: https, and ending in /v1.
	Base string
	// Org is the organisation whose services get the login.
	Org string
	// User is the organisation and the name of the user, or the word that stands for the user of a key: org/user,
	// org/apikey, org/iamapikey.
	User     string
	Password credential.Token
}

// Equal reports whether two logins are the same.
func (l Login) Equal(other Login) bool {
	return l.Base == other.Base && l.Org == other.Org && l.User == other.User && l.Password.Equal(other.Password)
}

// Host is the host of the Exchange, for messages.
func (l Login) Host() string {
	host, _, _ := strings.Cut(strings.TrimPrefix(l.Base, "https://"), "/")
	return host
}

// ParseLogin parses the three values. It returns one line for each mistake, which repeats no value except the host.
func ParseLogin(values map[string]string) (Login, []string) {
	var problems []string
	for _, key := range []string{KeyURL, KeyOrg, KeyAuth} {
		switch value := values[key]; {
		case value == "":
			problems = append(problems, key+" is missing or empty")
		case strings.TrimSpace(value) != value || strings.ContainsAny(value, "\r\n"):
			problems = append(problems, key+" has a blank or a line break at an end or within: take it out")
		case strings.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }):
			problems = append(problems, key+" has a character that is not to be seen, such as the byte order mark of an editor: write it again")
		case quoted(value):
			problems = append(problems, key+" is in quotes, as files of variables are written: take them off")
		}
	}
	if len(problems) > 0 {
		return Login{}, problems
	}
	base, problem := parseBase(values[KeyURL])
	if problem != "" {
		problems = append(problems, problem)
	}
	org := values[KeyOrg]
	if strings.ContainsAny(org, "/ ") {
		problems = append(problems, KeyOrg+" is the name of an organisation, without a slash or a blank")
	}
	user, password, ok := parseAuth(values[KeyAuth], org)
	if !ok {
		problems = append(problems, KeyAuth+" is user:password or organisation/user:password; apikey and iamapikey are users too")
	}
	if len(problems) > 0 {
		return Login{}, problems
	}
	return Login{Base: base, Org: org, User: user, Password: password}, nil
}

// quoted reports whether a value is in quotes, which 'kubectl create secret --from-env-file' does not remove.
func quoted(value string) bool {
	last := len(value) - 1
	return last > 0 && value[0] == value[last] && strings.ContainsAny(value[:1], `"'`)
}

// parseAuth splits a login. A user without an organisation gets org.
func parseAuth(text, org string) (user string, password credential.Token, ok bool) {
	user, secret, found := strings.Cut(text, ":")
	owner, name, within := strings.Cut(user, "/")
	if !within {
		owner, name = org, user
	}
	ok = found && secret != "" && owner != "" && name != "" && !strings.Contains(name, "/")
	return owner + "/" + name, credential.NewToken(secret), ok
}

// parseBase parses the address of the API, with or without a slash at its end.
func parseBase(text string) (base, problem string) {
	u, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "", KeyURL + " is no address such as https://exchange.example.com/v1"
	case u.User != nil:
		return "", KeyURL + " holds a login: put it into " + KeyAuth
	case u.Scheme != "https":
		return "", fmt.Sprintf("%s is not https://%s...: over anything else the login could be read on the way", KeyURL, u.Host)
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", KeyURL + " has a query or a fragment: take it off"
	case !strings.HasSuffix(u.Path, "/v1"):
		return "", KeyURL + " does not end in /v1, as the address of an Exchange does: https://" + u.Host + "/v1 or https://" + u.Host + "/edge-exchange/v1"
	}
	return u.String(), ""
}
