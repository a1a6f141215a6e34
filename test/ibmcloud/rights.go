// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ibmcloud

import (
	"maps"
	"path"
	"slices"
	"time"
)

// The names of services.
const (
	Registry = "container-registry"
	Identity = "iam-identity"
)

// The attributes of a resource by which policies say what they are about.
const (
	accountAttribute  = "accountId"
	serviceAttribute  = "serviceName"
	kindAttribute     = "serviceType"
	regionAttribute   = "region"
	geographyAtribute = "geography"
	typeAttribute     = "resourceType"
	resourceAttribute = "resource"
)

const (
	platformRole = "crn:v1:bluemix:public:iam::::role:"
	serviceRole  = "crn:v1:bluemix:public:iam::::serviceRole:"
	identityRole = "crn:v1:bluemix:public:iam-identity::::serviceRole:"
)

// role is what somebody may do. The actions are those of Registry's iam.md (ibm-cloud-docs/Registry) and of the pages about
// roles of account management services (docs/iam).
type role struct {
	id, name string
	// service is the one that has it; empty for all.
	service string
	actions []string
}

var (
	identityReads  = []string{"iam-identity.serviceid.get", "iam-identity.apikey.get", "iam-identity.apikey.list"}
	identityWrites = append([]string{
		"iam-identity.serviceid.create", "iam-identity.serviceid.update", "iam-identity.serviceid.delete", "iam-identity.serviceid.lock",
		"iam-identity.apikey.create", "iam-identity.apikey.update", "iam-identity.apikey.delete", "iam-identity.apikey.lock",
	}, identityReads...)
	platformReads = []string{"iam.policy.read", "resource-controller.group.retrieve"}
	policyWrites  = []string{"iam.policy.create", "iam.policy.update", "iam.policy.delete", "iam.role.assign"}
)

var roles = []role{
	{platformRole + "Viewer", "Viewer", "", slices.Concat(platformReads, identityReads)},
	{platformRole + "Operator", "Operator", "", slices.Concat(platformReads, identityWrites)},
	{platformRole + "Editor", "Editor", "", slices.Concat(platformReads, identityWrites)},
	{platformRole + "Administrator", "Administrator", "", slices.Concat(platformReads, identityWrites, policyWrites)},
	{serviceRole + "Reader", "Reader", Registry, []string{
		"container-registry.image.pull", "container-registry.image.list", "container-registry.image.inspect",
		"container-registry.namespace.list", "container-registry.quota.get",
	}},
	{serviceRole + "Writer", "Writer", Registry, []string{
		"container-registry.image.pull", "container-registry.image.push", "container-registry.image.delete", "container-registry.quota.get",
	}},
	{serviceRole + "Manager", "Manager", Registry, []string{
		"container-registry.image.pull", "container-registry.image.push", "container-registry.image.delete",
		"container-registry.image.list", "container-registry.image.inspect", "container-registry.namespace.list",
		"container-registry.namespace.create", "container-registry.namespace.delete", "container-registry.quota.get",
		"container-registry.plan.get", "container-registry.auth.get", "container-registry.settings.get",
	}},
	{identityRole + "ServiceIdCreator", "Service ID creator", Identity, []string{"iam-identity.serviceid.create"}},
	{identityRole + "UserApiKeyCreator", "User API key creator", Identity, nil},
}

// resource are the attributes of something that is to be done something to.
type resource map[string]string

// grant is a policy for as long as it counts, in one of its versions.
type grant struct {
	policy, iamID string
	roles         []string // ids
	on            []attribute
	from, until   time.Time
}

// may reports whether an identity may do something, by the policies that are in force.
func (c *Cloud) may(who *identity, action string, on resource) bool {
	on = maps.Clone(on)
	switch on[serviceAttribute] {
	case Identity:
		on[kindAttribute] = "platform_service"
	case "":
	default:
		on[kindAttribute] = "service"
	}
	return slices.ContainsFunc(c.grants, func(g *grant) bool {
		return g.iamID == who.iamID && c.counts(g) && g.covers(on) && slices.ContainsFunc(roles, func(r role) bool {
			return slices.Contains(g.roles, r.id) && slices.Contains(r.actions, action)
		})
	})
}

// counts reports whether a grant has arrived everywhere, and its end has not.
func (c *Cloud) counts(g *grant) bool {
	return c.passed(g.from, c.delays.Grants) && (g.until.IsZero() || !c.passed(g.until, c.delays.Revocations))
}

// covers reports whether all that a grant names is so. What it does not name does not matter.
func (g *grant) covers(on resource) bool {
	for _, a := range g.on {
		value := on[a.Key]
		fits := value == a.Value
		if a.Operator == "stringMatch" {
			fits, _ = path.Match(a.Value, value)
		}
		if !fits {
			return false
		}
	}
	return true
}

// ofRegistry are the attributes of a region's registry, and of a namespace of it unless that is empty.
func ofRegistry(account, region, namespace string) resource {
	on := resource{accountAttribute: account, serviceAttribute: Registry}
	// The global registry has no region: a policy for it is about a geography (Registry docs, iam_access.md).
	if region == "global" {
		on[geographyAtribute] = "global"
	} else {
		on[regionAttribute] = region
	}
	if namespace != "" {
		on[typeAttribute], on[resourceAttribute] = "namespace", namespace
	}
	return on
}

// ofIdentity are the attributes of a service ID, or of all.
func ofIdentity(account, serviceID string) resource {
	on := resource{accountAttribute: account, serviceAttribute: Identity}
	if serviceID != "" {
		on[typeAttribute], on[resourceAttribute] = "serviceid", serviceID
	}
	return on
}

// ofGroup are the attributes of a resource group.
func ofGroup(account, id string) resource {
	return resource{accountAttribute: account, typeAttribute: "resource-group", resourceAttribute: id}
}
