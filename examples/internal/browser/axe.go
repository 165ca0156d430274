package browser

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
)

// axe looks for what keeps people out: https://github.com/dequelabs/axe-core, version 4.14.1 from the npm registry,
// under the Mozilla Public License 2.0, which is beside it.
//
//go:embed axe/axe.min.js
var axe string

// A Finding is something that keeps people out.
type Finding struct {
	Rule   string   `json:"id"`
	Impact string   `json:"impact"` // minor, moderate, serious or critical
	Help   string   `json:"help"`
	Where  []string `json:"where"` // the HTML of the elements
}

// String returns the finding with its elements.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s (%s)\n\t%s", f.Impact, f.Help, f.Rule, strings.Join(f.Where, "\n\t"))
}

// Findings returns what axe finds in the document as it is now, by all of its rules, what is merely good practice
// included, or by those that are named. JavaScript must be on.
func (p *Page) Findings(rules ...string) []Finding {
	p.t.Helper()
	if !Eval[bool](p, "!!window.axe") {
		p.Do(chromedp.Evaluate[chromedp.Void](axe + ";undefined"))
	}
	only := "undefined"
	if len(rules) > 0 {
		only = fmt.Sprintf("{type: 'rule', values: %q.split(' ')}", strings.Join(rules, " "))
	}
	return Eval[[]Finding](p, `axe.run({resultTypes: ["violations"], runOnly: `+only+`}).then(r => r.violations.map(v => ({
		id: v.id, impact: v.impact, help: v.help, where: v.nodes.map(n => n.html + " | " + n.failureSummary),
	})))`)
}

// Accessible fails the test if axe finds something, by all of its rules or by those that are named.
func (p *Page) Accessible(rules ...string) {
	p.t.Helper()
	for _, f := range p.Findings(rules...) {
		p.t.Errorf("%s keeps people out: %s", p.Path(), f)
	}
}
