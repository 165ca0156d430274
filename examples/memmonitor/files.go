package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeFiles writes the files that are wanted.
func (w *watch) writeFiles(s summary) error {
	r := record{URL: w.options.url.Redacted(), Summary: s, Measurements: w.series.kept}
	return errors.Join(
		writeFile(w.options.json, r.writeJSON),
		writeFile(w.options.report, r.writeHTML),
	)
}

// A record is all that was seen, as it is written.
type record struct {
	URL          string        `json:"url"`
	Summary      summary       `json:"summary"`
	Measurements []measurement `json:"measurements"`
}

func (r record) writeJSON(out io.Writer) error {
	e := json.NewEncoder(out)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// writeFile has write fill the file name, if there is one. Readers see what was there before or all of the new,
// never a part.
func writeFile(name string, write func(io.Writer) error) (err error) {
	if name == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing %s: %w", name, err)
		}
	}()
	file, err := os.CreateTemp(filepath.Dir(name), ".memmonitor-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone already if all went well
	err = errors.Join(write(file), file.Chmod(0o644), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), name)
}
