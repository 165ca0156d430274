package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer is how much of a webhook's answer is read, so that its connection can be used again.
const maxAnswer = 64 << 10

// errRefused is of an answer that another attempt will not change.
var errRefused = errors.New("the webhook refuses it")

// Deliver sends the alerts that wait, the oldest first, until none waits or an attempt fails. After a failure
// it does nothing for 5 s, then for twice as long each time, up to 10 minutes. It is a job of the janitor.
func (b *Board) Deliver(ctx context.Context) error {
	b.deliver.Lock()
	defer b.deliver.Unlock()
	for {
		a, ok := b.due(time.Now())
		if !ok {
			return nil
		}
		err := b.send(ctx, a)
		if ctx.Err() != nil {
			return nil // the end of the program is no failure of the webhook
		}
		if b.note(a, err, time.Now()); err != nil {
			return err
		}
	}
}

// due returns the alert to be sent now, if there is one.
func (b *Board) due(now time.Time) (Alert, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Before(b.resume) {
		return Alert{}, false
	}
	for _, a := range b.alerts {
		if a.State == Waiting {
			return a, true
		}
	}
	return Alert{}, false
}

// note takes down what became of an attempt to send a.
func (b *Board) note(a Alert, err error, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := Sent
	switch {
	case err == nil:
		b.pause.Reset()
		b.stats.Sent++
	case errors.Is(err, errRefused), a.Attempts+1 >= b.config.Attempts:
		state = GivenUp
		b.stats.GivenUp++
	default:
		state = Waiting
	}
	if err != nil && !errors.Is(err, errRefused) {
		b.resume = now.Add(b.pause.NextBackOff())
	}
	if a.Attempts > 0 {
		b.stats.Retries++
	}
	for i := range b.alerts {
		if b.alerts[i].Number == a.Number {
			b.alerts[i].State = state
			b.alerts[i].Attempts++
			return
		}
	}
	if state == Waiting { // it left the board meanwhile, and was counted as lost there
		return
	}
	b.stats.Lost--
}

// send posts one alert. The name "text" is the one that chat services show.
func (b *Board) send(ctx context.Context, a Alert) error {
	body, err := json.Marshal(struct {
		Service string    `json:"service"`
		Kind    string    `json:"kind"`
		Level   string    `json:"level"`
		Text    string    `json:"text"`
		At      time.Time `json:"at"`
	}{"ministry finder", a.Kind, a.Level.String(), a.Text, a.At})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, b.config.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.config.WebhookURL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", withoutURL(err))
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := b.client.Do(request)
	if err != nil {
		return fmt.Errorf("webhook: %w", withoutURL(err))
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer))
	switch {
	case answer.StatusCode < 300:
		return nil
	case answer.StatusCode >= 500, answer.StatusCode == http.StatusTooManyRequests, answer.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("webhook: %s", answer.Status)
	}
	return fmt.Errorf("%w: %s", errRefused, answer.Status)
}

// withoutURL takes the address out of an error of net/http: whoever knows it may call the webhook.
func withoutURL(err error) error {
	var about *url.Error
	if errors.As(err, &about) {
		return about.Err
	}
	return err
}
