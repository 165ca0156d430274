package ratelimit

import (
	"context"
	"errors"
	"net/netip"
)

// ErrUndecided is for a verify function of [Tracker.Guard] to wrap when it could not
// tell whether the password is right, because the database did not answer.
var ErrUndecided = errors.New("ratelimit: the attempt was not decided")

// Guard calls verify, if addr may attempt to log in to account, and tells the tracker how it went: nil is
// success; an error that wraps [ErrUndecided] gives the charge back, and so does that of a ctx that
// is done; any other error is a failure, as is a panic, which goes on. Guard returns
// the error of verify, or that of [Tracker.BeginLogin] or of ctx without a call to it.
//
// An empty account means none. Verify runs with no lock held.
func (t *Tracker) Guard(ctx context.Context, addr netip.Addr, account string, verify func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	attempt, err := t.BeginLogin(Login{Addr: addr, Account: account})
	if err != nil {
		return err
	}
	defer attempt.Fail() // is too late unless verify panics
	err = verify()
	switch {
	case err == nil:
		attempt.Succeed()
	case errors.Is(err, ErrUndecided), ctx.Err() != nil && errors.Is(err, ctx.Err()):
		attempt.Cancel()
	default:
		attempt.Fail()
	}
	return err
}
