package alert

import "time"

// Pause is how long no attempt is made from now on, and Resume ends that.
func (b *Board) Pause() time.Duration { return time.Until(b.resume) }
func (b *Board) Resume()              { b.resume = time.Time{} }
