// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"maps"
	"slices"
)

// hosts are the hosts of the registry by region. "us-east" is left out: some of IBM's clients use the global registry for it, others
// that of us-south. An unknown region has no host here, while IBM's own clients use the global registry.
var hosts = map[string]string{
	"global":   "icr.io",
	"us-south": "us.icr.io",
	"au-syd":   "au.icr.io",
	"br-sao":   "br.icr.io",
	"ca-mon":   "ca2.icr.io",
	"ca-tor":   "ca.icr.io",
	"eu-de":    "de.icr.io",
	"eu-es":    "es.icr.io",
	"eu-gb":    "uk.icr.io",
	"in-che":   "in.icr.io",
	"in-mum":   "in2.icr.io",
	"jp-osa":   "jp2.icr.io",
	"jp-tok":   "jp.icr.io",
}

// Endpoints are base URLs without a trailing slash, such as https://iam.cloud.ibm.com and https://us.icr.io. They are https.
type Endpoints struct{ IAM, Registry string }

// HostOf returns the registry's host of a region, such as us.icr.io for us-south; false for an unknown region.
func HostOf(region string) (host string, known bool) {
	host, known = hosts[region]
	return host, known
}

// Regions returns the regions that have a registry, sorted; "global" is one of them.
func Regions() []string { return slices.Sorted(maps.Keys(hosts)) }

// EndpointsOf returns the URLs of the APIs of a region, on the internet or on IBM's private network. For an unknown region that of the
// registry is empty.
func EndpointsOf(region string, private bool) Endpoints {
	iam, registry := "iam.cloud.ibm.com", hosts[region]
	if private {
		iam = "private." + iam
		if region == "us-south" {
			iam = "private.us-south.iam.cloud.ibm.com"
		}
	}
	e := Endpoints{IAM: "https://" + iam}
	switch {
	case registry == "":
	case private:
		e.Registry = "https://private." + registry
	default:
		e.Registry = "https://" + registry
	}
	return e
}
