package main

import (
	"fmt"
	"strings"
)

// highPercent is where use of memory begins to be worth a warning.
const highPercent = 80

// A warning is something about a measurement that a person should look at.
type warning struct {
	kind string // one of kinds
	text string
}

// kinds are what there are warnings of, in the order in which they are shown.
var kinds = [...]string{"process memory", "system memory", "cache", "health"}

// warnings returns what is wrong with m.
func (m *measurement) warnings() (list []warning) {
	share := m.Cache.MB.over(m.Cache.MaxMB)
	for i, percent := range []number{m.Process, m.System, {100 * share.value, share.known}} {
		if percent.known && percent.value >= highPercent {
			list = append(list, warning{kinds[i], fmt.Sprintf("%s at %.1f %% of its limit, %d %% and more is high", kinds[i], percent.value, highPercent)})
		}
	}
	if m.Health != "" && !m.healthy() {
		text := "health is " + m.Health
		if len(m.Issues) > 0 {
			text += ": " + strings.Join(m.Issues, "; ")
		}
		list = append(list, warning{"health", text})
	}
	return list
}

func (m *measurement) healthy() bool { return strings.EqualFold(m.Health, "healthy") }

// Alerts keep a warning that goes on from being said again and again.
type alerts struct {
	active map[string]bool // by kind
	issues string          // what the health was last said to be
	counts map[string]int  // measurements with a warning, by kind
}

func newAlerts() *alerts { return &alerts{active: make(map[string]bool), counts: make(map[string]int)} }

// note takes the warnings of a measurement in, and returns the lines to be said: of those that have begun or
// are over, and of a health that is ill in another way than before.
func (a *alerts) note(m *measurement) (lines []string) {
	now := make(map[string]bool)
	for _, w := range m.warnings() {
		now[w.kind] = true
		a.counts[w.kind]++
		changed := w.kind == "health" && w.text != a.issues
		if !a.active[w.kind] || changed {
			lines = append(lines, "warning: "+w.text)
		}
		if w.kind == "health" {
			a.issues = w.text
		}
	}
	for _, kind := range kinds {
		if a.active[kind] && !now[kind] && m.knows(kind) {
			lines = append(lines, "over: the warning of the "+kind)
		} else if a.active[kind] && !m.knows(kind) {
			now[kind] = true // nobody said that it is over
		}
	}
	a.active = now
	return lines
}

// knows reports whether m says anything of that kind.
func (m *measurement) knows(kind string) bool {
	switch kind {
	case kinds[0]:
		return m.Process.known
	case kinds[1]:
		return m.System.known
	case kinds[2]:
		return m.Cache.MB.over(m.Cache.MaxMB).known
	}
	return m.Health != ""
}
