package monitor

// A LiveAlert is one of the board's.
type LiveAlert struct {
	Number   uint64 `json:"number"`
	At       int64  `json:"at"` // milliseconds since 1970
	Kind     string `json:"kind"`
	Level    string `json:"level"` // INFO, WARN, ERROR
	Text     string `json:"text"`
	State    string `json:"state"` // as alert.State
	Attempts int    `json:"attempts"`
}

// Alerts returns the last alerts, the newest first, as programs read them.
func (m *Monitor) Alerts() []LiveAlert {
	alerts := m.Report().Alerts
	list := make([]LiveAlert, len(alerts))
	for i, a := range alerts {
		list[i] = LiveAlert{a.Number, a.At.UnixMilli(), a.Kind, a.Level.String(), a.Text, string(a.State), a.Attempts}
	}
	return list
}
