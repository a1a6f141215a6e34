// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "cmp"

// lowest stands for all numbers below the first step, which JSON has no number for.
const lowest = -1e12

// console is the dashboard in the part of Grafana's older format that the OpenShift console shows: rows of singlestat,
// graph and table, of up to twelve columns. It takes the first sample of a singlestat, the columns of a table that
// styles name, and no units of time for either.
func console(rows []row) object {
	var made []object
	id := 0
	for _, r := range rows {
		var panels []object
		for _, p := range r.panels {
			id++
			c := consolePanel(p)
			c["id"], c["title"], c["description"], c["span"] = id, p.title, p.description, p.width
			panels = append(panels, c)
		}
		made = append(made, object{"title": r.title, "showTitle": true, "collapse": false, "panels": panels})
	}
	return object{"title": title, "tags": []string{tag}, "templating": object{"list": []object{}}, "rows": made}
}

func consolePanel(p panel) object {
	var targets []object
	for i, q := range p.queries {
		targets = append(targets, object{"refId": refID(i), "expr": q.expr})
	}
	made := object{"targets": targets}
	switch p.kind {
	case stat:
		var thresholds []object
		for i, s := range p.steps {
			thresholds = append(thresholds, object{"color": s.color, "value": s.from})
			if i == 0 {
				thresholds[i]["value"] = lowest
			}
		}
		made["type"], made["format"], made["decimals"] = "singlestat", "short", p.decimals
		made["options"] = object{"fieldOptions": object{"thresholds": thresholds}}
	case table:
		var styles []object
		for _, c := range p.labels {
			styles = append(styles, object{"alias": c.title, "pattern": c.label, "type": "string"})
		}
		for i, q := range p.queries {
			styles = append(styles, object{"alias": q.name, "pattern": "Value #" + refID(i), "type": "number", "unit": "short", "decimals": p.decimals})
		}
		made["type"], made["transform"], made["styles"] = "table", "table", styles
	case graph:
		for i, q := range p.queries {
			targets[i]["legendFormat"] = q.name
		}
		made["type"], made["stack"], made["legend"] = "graph", false, object{"show": true}
		made["yaxes"] = []object{{"format": cmp.Or(p.unit, "short")}}
	}
	return made
}
