// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "cmp"

// object is a JSON object. Its keys are written in order.
type object map[string]any

const (
	title = "Edge Registry Operator"
	tag   = "edge-registry"
)

var source = object{"type": "prometheus", "uid": "${datasource}"}

// grafana is the dashboard as Grafana 10 and later import it. The data source is a variable, and the numeric id is for
// each Grafana to give.
func grafana(rows []row) object {
	var panels []object
	id, y := 0, 0
	add := func(p object, x, y, w, h int) {
		id++
		p["id"], p["gridPos"] = id, object{"x": x, "y": y, "w": w, "h": h}
		panels = append(panels, p)
	}
	for _, r := range rows {
		add(object{"type": "row", "title": r.title, "collapsed": false, "panels": []object{}}, 0, y, 24, 1)
		y++
		x, height := 0, 0
		for _, p := range r.panels {
			if x+2*p.width > 24 {
				x, y = 0, y+height
			}
			height = 8
			if p.kind == stat {
				height = 4
			}
			add(grafanaPanel(p), x, y, 2*p.width, height)
			x += 2 * p.width
		}
		y += height
	}
	return object{
		"id": nil, "uid": tag, "title": title, "tags": []string{tag}, "schemaVersion": 39, "editable": true,
		"refresh": "1m", "time": object{"from": "now-24h", "to": "now"},
		"annotations": object{"list": []object{}},
		"templating": object{"list": []object{{
			"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0,
		}}},
		"panels": panels,
	}
}

func grafanaPanel(p panel) object {
	var targets []object
	for i, q := range p.queries {
		target := object{"refId": refID(i), "expr": q.expr, "datasource": source}
		switch p.kind {
		case stat:
			target["instant"] = true
		case table:
			target["instant"], target["format"] = true, "table"
		case graph:
			target["range"], target["legendFormat"] = true, q.name
		}
		targets = append(targets, target)
	}
	defaults := object{"unit": cmp.Or(p.unit, "none"), "decimals": p.decimals}
	made := object{
		"title": p.title, "description": p.description, "datasource": source, "targets": targets,
		"fieldConfig": object{"defaults": defaults, "overrides": []object{}},
	}
	switch p.kind {
	case stat:
		made["type"] = "stat"
		made["options"] = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "value", "graphMode": "none"}
		defaults["color"] = object{"mode": "thresholds"}
		defaults["thresholds"] = object{"mode": "absolute", "steps": grafanaSteps(p.steps)}
	case table:
		made["type"] = "table"
		made["transformations"] = columns(p)
	case graph:
		made["type"] = "timeseries"
		made["options"] = object{
			"legend":  object{"showLegend": true, "displayMode": "list", "placement": "bottom"},
			"tooltip": object{"mode": "multi", "sort": "desc"},
		}
		defaults["min"], defaults["custom"] = 0, object{"fillOpacity": 10}
		delete(defaults, "decimals")
	}
	return made
}

func grafanaSteps(steps []step) []object {
	var made []object
	for i, s := range steps {
		made = append(made, object{"color": s.color, "value": s.from})
		if i == 0 {
			made[i]["value"] = nil
		}
	}
	return made
}

// columns makes one row of what several queries say of one EdgeRegistry, and names the columns.
func columns(p panel) []object {
	names, order := object{}, object{}
	for i, c := range p.labels {
		names[c.label], order[c.label] = c.title, i
	}
	for i, q := range p.queries {
		// Grafana leaves the letter out where there is one query.
		value := "Value"
		if len(p.queries) > 1 {
			value += " #" + refID(i)
		}
		names[value], order[value] = q.name, len(p.labels)+i
	}
	return []object{
		{"id": "merge", "options": object{}},
		{"id": "organize", "options": object{"excludeByName": object{"Time": true}, "renameByName": names, "indexByName": order}},
	}
}

func refID(i int) string { return string(rune('A' + i)) }
