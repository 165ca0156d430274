package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/go-playground/validator/v10"
)

const production = "production"

// An Error says which variable has a value that cannot be used, and what was wanted.
type Error struct {
	Variable string
	Value    string // as it was set; secrets are left out
	Want     string
	Cause    error // may be nil
}

// Error reads like `PORT is "eighty", want a port number from 0 to 65535`, in one line.
func (e *Error) Error() string {
	line := fmt.Sprintf("%s is %q, want %s", e.Variable, e.Value, e.Want)
	if e.Cause != nil {
		line += " (" + strings.Join(strings.Fields(e.Cause.Error()), " ") + ")"
	}
	return line
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Read returns the configuration, or an error that joins an [*Error] for each variable that is wrong, in the
// order of the fields.
func Read() (Config, error) {
	var c Config
	wrong := map[string]string{} // what is wanted, by variable

	var unreadable env.AggregateError
	if err := env.Parse(&c); errors.As(err, &unreadable) {
		for _, err := range unreadable.Errors {
			var about env.ParseError
			if !errors.As(err, &about) {
				return Config{}, err
			}
			f, ok := fieldBy(func(f field) bool { return f.Name == about.Name })
			if !ok {
				return Config{}, err
			}
			wrong[f.variable()] = f.want()
		}
	} else if err != nil {
		return Config{}, err
	}
	var invalid validator.ValidationErrors
	if err := rules.Struct(c); errors.As(err, &invalid) {
		for _, about := range invalid {
			path := strings.TrimPrefix(about.StructNamespace(), "Config.")
			if f, ok := fieldBy(func(f field) bool { return f.path == path }); ok {
				wrong[f.variable()] = f.want()
			}
		}
	} else if err != nil {
		return Config{}, err
	}
	if c.Production() {
		for variable, want := range c.unfitForProduction() {
			if wrong[variable] == "" {
				wrong[variable] = want
			}
		}
	}
	var errs []error
	for _, f := range fields {
		if want, ok := wrong[f.variable()]; ok {
			errs = append(errs, c.errorAbout(f, want, nil))
		}
	}
	if len(errs) > 0 {
		return Config{}, errors.Join(errs...)
	}
	return c, nil
}

// rules checks the fields by their tags.
var rules = func() *validator.Validate {
	v := validator.New()
	for tag, ok := range map[string]func(string) bool{"host": isHost, "postgres": isPostgres} {
		if err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return ok(fl.Field().String()) }); err != nil {
			panic(err) // a name of this file is not usable
		}
	}
	return v
}()

// isHost reports whether s is a name or an address, and not one with a port behind it.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return s != "" && !strings.ContainsAny(s, " /[]:")
}

// isPostgres reports whether s is empty or the URL of a PostgreSQL database.
func isPostgres(s string) bool {
	u, err := url.Parse(s)
	return s == "" || err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql") && u.Hostname() != ""
}

// A field is one that a variable sets.
type field struct {
	reflect.StructField
	path  string // from Config on
	index []int
}

func (f field) variable() string { return f.Tag.Get("env") }
func (f field) want() string     { return f.Tag.Get("want") }

// fields are those of all rooms, in order.
var fields = func() (all []field) {
	rooms := reflect.TypeFor[Config]()
	for i := range rooms.NumField() {
		room := rooms.Field(i)
		for j := range room.Type.NumField() {
			f := room.Type.Field(j)
			all = append(all, field{f, room.Name + "." + f.Name, []int{i, j}})
		}
	}
	return all
}()

func fieldBy(is func(field) bool) (field, bool) {
	i := slices.IndexFunc(fields, is)
	if i < 0 {
		return field{}, false
	}
	return fields[i], true
}

// errorAbout returns the error about a field of c.
func (c Config) errorAbout(f field, want string, cause error) error {
	value := os.Getenv(f.variable())
	if value == "" {
		value = fmt.Sprint(reflect.ValueOf(c).FieldByIndex(f.index).Interface())
	} else if f.Type == reflect.TypeFor[Secret]() {
		value = redact(value)
	}
	return &Error{Variable: f.variable(), Value: value, Want: want, Cause: cause}
}

// redact returns a URL without what may be secret in it, and of anything else the length.
func redact(secret string) string {
	u, err := url.Parse(secret)
	if err != nil || u.Host == "" {
		return Secret(secret).String()
	}
	u.RawQuery, u.Fragment = "", ""
	if !strings.HasPrefix(u.Scheme, "postgres") {
		u.Path, u.RawPath = "/...", "" // whoever knows the path of a webhook may call it
	}
	return u.Redacted()
}

// DatabaseError says that the database cannot be opened, and why.
func (c Config) DatabaseError(cause error) error {
	name := "FINDER_DATABASE"
	if c.Database.URL != "" {
		name = "DATABASE_URL"
	}
	return c.about(name, "", cause)
}

// ProfilesError says that the directory of the heap profiles cannot be used, and why.
func (c Config) ProfilesError(cause error) error { return c.about("PROFILES_DIR", "", cause) }

// ListenError says that the address cannot be listened at, and why.
func (c Config) ListenError(cause error) error {
	return c.about("PORT", fmt.Sprintf("a port that is free at %q", c.Host()), cause)
}

// about returns the error about a variable; an empty want is what its tag says.
func (c Config) about(variable, want string, cause error) error {
	f, ok := fieldBy(func(f field) bool { return f.variable() == variable })
	if !ok {
		panic("config: no variable is named " + variable)
	}
	if want == "" {
		want = f.want()
	}
	return c.errorAbout(f, want, cause)
}
