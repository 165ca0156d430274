package monitor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ministryfinder/bounded/metrics"
	"github.com/ministryfinder/bounded/sweep"

	"github.com/ministryfinder/bounded/examples/finder/internal/monitor"
	"github.com/ministryfinder/bounded/examples/finder/internal/store"
)

func TestTheWorstOfAllIssuesIsTheCondition(t *testing.T) {
	up := store.Status{Up: true, QueueEntries: 5}
	for _, test := range []struct {
		name   string
		report monitor.Report
		want   monitor.Condition
		issues int
	}{
		{"well", monitor.Report{Database: up}, monitor.Healthy, 0},
		{"high", monitor.Report{Database: up, Watch: metrics.WatchState{Level: metrics.LevelHigh}}, monitor.Warned, 1},
		{"critical", monitor.Report{Database: up, Watch: metrics.WatchState{Level: metrics.LevelCritical}}, monitor.Unhealthy, 1},
		{"leak", monitor.Report{Database: up, Growth: metrics.Growth{Suspected: true}}, monitor.Warned, 1},
		{"away", monitor.Report{Database: store.Status{QueueEntries: 5, Queued: 4}}, monitor.Warned, 1},
		{"full", monitor.Report{Database: store.Status{QueueEntries: 5, Queued: 5}}, monitor.Unhealthy, 1},
		{"too-many-bytes", monitor.Report{Database: store.Status{QueueEntries: 5, Queued: 1, QueueFull: true}}, monitor.Unhealthy, 1},
		{"few-errors", monitor.Report{Database: up, ErrorMin: 10, ErrorRate: 0.5, Traffic: metrics.Snapshot{Recent: metrics.Recent{Requests: 9, Failures: 9}}}, monitor.Healthy, 0},
		{"errors", monitor.Report{Database: up, ErrorMin: 10, ErrorRate: 0.5, Traffic: metrics.Snapshot{Recent: metrics.Recent{Requests: 10, Failures: 5}}}, monitor.Warned, 1},
		{"job", monitor.Report{Database: up, Jobs: []sweep.JobStats{{}, {BackingOff: true}}}, monitor.Warned, 1},
		{
			"all-at-once", monitor.Report{Watch: metrics.WatchState{Level: metrics.LevelCritical}, Database: store.Status{QueueEntries: 5}, Growth: metrics.Growth{Suspected: true}},
			monitor.Unhealthy, 3,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.report.ErrorMin == 0 {
				test.report.ErrorMin, test.report.ErrorRate = 10, 0.1
			}
			condition, issues := test.report.Health()
			require.Equal(t, test.want, condition)
			require.Len(t, issues, test.issues)
			require.NotNil(t, issues, "a list, even if it is empty")
		})
	}
}
