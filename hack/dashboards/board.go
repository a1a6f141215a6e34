// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

// row is a titled row of panels, whose widths add up to lines of twelve.
type row struct {
	title  string
	panels []panel
}

type kind int

const (
	stat kind = iota
	table
	graph
)

// panel is one picture with what it shows. Times are shown in days or hours, as the title says, because the console
// knows no unit for them.
type panel struct {
	kind        kind
	title       string
	description string
	width       int
	// unit is bytes or s, which Grafana and the console both know, or empty for a plain number.
	unit     string
	decimals int
	// steps colour a stat.
	steps []step
	// labels are the first columns of a table.
	labels  []column
	queries []query
}

// query is a line, or several, of a graph, or a column of a table.
type query struct {
	expr string
	// name is the title of the column. In a graph it may name labels, as in {{cause}}.
	name string
}

// column shows a label in a table.
type column struct {
	label, title string
}

// step gives values from this one on a colour. The first also colours all that are less.
type step struct {
	color string
	from  float64
}

var (
	harmless = []step{{"blue", 0}}
	anyIsBad = []step{{"green", 0}, {"red", 0.5}}
	noneBad  = []step{{"red", 0}, {"green", 0.5}}
	// inTime is for what the operator renews by itself: how long before depends on the spec.
	inTime = []step{{"red", -1}, {"green", 0}}
	// caInTime is by default as long as spec.trust.overlap, and then what people need to act.
	caInTime = []step{{"red", 0}, {"orange", 7}, {"green", 30}}

	stateColumns = []column{{"edgeregistry", "EdgeRegistry"}, {"status", "Ready"}, {"reason", "Reason"}}
)

// withState gives the samples of each EdgeRegistry the status and the reason of its condition Ready. The columns of a
// table are one row where their labels are the same, all of them in the newer consoles and the first in the older. The
// choice of one matters in the moment when a new leader and the previous one are both known.
func withState(expr, matchers string) string {
	return expr + ` * on (edgeregistry) group_left (status, reason) ` +
		`topk by (edgeregistry) (1, edge_registry_status_condition{type="Ready"` + matchers + `})`
}

// days says how long after now the first of the times of each EdgeRegistry is.
func days(metric string) string {
	return "(min by (edgeregistry) (" + metric + ") - time()) / 86400"
}

const (
	sinceReady = `(time() - max by (edgeregistry) (edge_registry_status_condition_last_transition_timestamp_seconds{type="Ready"})) / 3600`
	passes     = `{controller="edgeregistry"}[5m]`
)

// board is the one description of both dashboards.
var board = []row{
	{"At a glance", []panel{
		{
			kind: stat, title: "EdgeRegistries", width: 3, steps: harmless,
			description: "Suspended ones too. Nothing is shown when the operator is not scraped.",
			queries:     []query{{expr: `count(max by (edgeregistry) (edge_registry_ready))`}},
		},
		{
			kind: stat, title: "Not Ready", width: 3, steps: anyIsBad,
			description: "The table below says why, and since when.",
			queries:     []query{{expr: `sum(max by (edgeregistry) (edge_registry_ready) == bool 0)`}},
		},
		{
			kind: stat, title: "Stalled", width: 3, steps: anyIsBad,
			description: "These wait for a person. oc describe says what to do.",
			queries: []query{{
				expr: `count(max by (edgeregistry) (edge_registry_status_condition{type="Stalled", status="True"})) or 0 * count(edge_registry_ready)`,
			}},
		},
		{
			kind: stat, title: "Copies not current", width: 3, steps: anyIsBad,
			description: "Copies of the Secrets that are behind, pending or failed. Nothing is shown where there are no copies.",
			queries:     []query{{expr: `sum(max by (edgeregistry, state) (edge_registry_copies{state!="current"}))`}},
		},
		{
			kind: stat, title: "Soonest token expiry (days)", width: 3, decimals: 1, steps: inTime,
			description: "Of the tokens in use. The operator renews them long before.",
			queries:     []query{{expr: `(min(edge_registry_token_expiration_timestamp_seconds) - time()) / 86400`}},
		},
		{
			kind: stat, title: "Renewals overdue", width: 3, steps: anyIsBad,
			description: "Tokens that were due ten minutes ago and were not renewed. They still work until they expire.",
			queries:     []query{{expr: `sum(max by (edgeregistry, role) (edge_registry_token_renewal_timestamp_seconds) < bool (time() - 600))`}},
		},
		{
			kind: stat, title: "Soonest CA end (days)", width: 3, decimals: 1, steps: caInTime,
			description: "Of the certificates that verify the routes.",
			queries:     []query{{expr: `(min(edge_registry_ca_not_after_timestamp_seconds) - time()) / 86400`}},
		},
		{
			kind: stat, title: "Replicas running", width: 3, steps: noneBad,
			description: "Pods that are scraped. One of them works at a time.",
			queries:     []query{{expr: `count(edge_registry_build_info) or vector(0)`}},
		},
	}},
	{"What is broken, and since when", []panel{
		{
			kind: table, title: "Not Ready, and why", width: 6, decimals: 1, labels: stateColumns,
			description: "The reason is that of the first step that is not done.",
			queries:     []query{{expr: withState(sinceReady, `, status!="True"`), name: "For (hours)"}},
		},
		{
			kind: graph, title: "Steps that are not done", width: 6,
			description: "How many EdgeRegistries have the condition of a step not True, by the reason.",
			queries: []query{{
				expr: `count by (type, reason) (max by (edgeregistry, type, reason) (edge_registry_status_condition{type!~"Ready|Reconciling|Stalled", status!="True"}))`,
				name: "{{type}}: {{reason}}",
			}},
		},
	}},
	{"What expires when", []panel{
		{
			kind: table, title: "Tokens and CAs", width: 12, decimals: 1, labels: stateColumns,
			description: "A token that does not expire has no time.",
			queries: []query{
				{expr: withState(sinceReady, ""), name: "Since (hours)"},
				{expr: withState(days(`edge_registry_token_expiration_timestamp_seconds{role="publisher"}`), ""), name: "Publisher token expires (days)"},
				{expr: withState(days(`edge_registry_token_expiration_timestamp_seconds{role="puller"}`), ""), name: "Puller token expires (days)"},
				{expr: withState(days(`edge_registry_token_renewal_timestamp_seconds`), ""), name: "Next renewal (days)"},
				{expr: withState(days(`edge_registry_ca_not_after_timestamp_seconds`), ""), name: "CA ends (days)"},
				{expr: withState(`sum by (edgeregistry) (max by (edgeregistry, state) (edge_registry_copies{state!="current"}))`, ""), name: "Copies not current"},
			},
		},
	}},
	{"What the operator did", []panel{
		{
			kind: graph, title: "Tokens issued in an hour", width: 4,
			description: "By the cause. One for each role whenever a renewal is due is what to expect.",
			queries:     []query{{expr: `sum by (cause) (increase(edge_registry_mints_total[1h])) > 0`, name: "{{cause}}"}},
		},
		{
			kind: graph, title: "Tokens replaced in an hour", width: 4,
			description: "Published tokens in whose place another was published, by the role.",
			queries:     []query{{expr: `sum by (role) (increase(edge_registry_rotations_total[1h]))`, name: "{{role}}"}},
		},
		{
			kind: graph, title: "Trials of the tokens in an hour", width: 4,
			description: "Against the registry, by their result.",
			queries:     []query{{expr: `sum by (result) (increase(edge_registry_probes_total[1h])) > 0`, name: "{{result}}"}},
		},
	}},
	{"How the operator is", []panel{
		{
			kind: graph, title: "Looks that are overdue", width: 3,
			description: "EdgeRegistries that should have been looked at ten minutes ago. What is shown of them is old.",
			queries:     []query{{expr: `sum(max by (edgeregistry) (edge_registry_next_look_timestamp_seconds) < bool (time() - 600))`, name: "EdgeRegistries"}},
		},
		{
			kind: graph, title: "Passes in five minutes", width: 3,
			description: "By their result. A pass that ends in an error is made again, later each time.",
			queries:     []query{{expr: `sum by (result) (increase(controller_runtime_reconcile_total` + passes + `))`, name: "{{result}}"}},
		},
		{
			kind: graph, title: "How long a pass takes", width: 3, unit: "s",
			description: "Mostly the requests to the API server, and those to the registry when the tokens are tried.",
			queries: []query{
				{expr: `histogram_quantile(0.5, sum by (le) (rate(controller_runtime_reconcile_time_seconds_bucket` + passes + `)))`, name: "half of them"},
				{expr: `histogram_quantile(0.99, sum by (le) (rate(controller_runtime_reconcile_time_seconds_bucket` + passes + `)))`, name: "99 of 100"},
			},
		},
		{
			kind: graph, title: "Resident memory", width: 3, unit: "bytes",
			description: "Of each pod of the operator.",
			queries:     []query{{expr: `process_resident_memory_bytes and on (job, instance) edge_registry_build_info`, name: "{{pod}}"}},
		},
	}},
}
