package metrics

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	defaultMaxSeries   = 100
	defaultFamilyBytes = 1 << 20
	maxCombinations    = 1024
	candidateBytes     = 192 // of a name without a series: its entry in heap and map, without the name itself
	familyBytes        = 2048
	closedBytes        = 512 // of a closed label: its table
	closedValueBytes   = 48  // of each of its values
)

// FamilyConfig configures a [Family]. Name and Label must be given.
type FamilyConfig struct {
	// Name and Help are what [Recorder.Counter] wants of a counter.
	Name, Help string

	// Label is the name of the open label, whose values nobody can list, such as
	// tenant or route. It must match [a-zA-Z_][a-zA-Z0-9_]*, be at most 128 bytes long
	// and not begin with two underscores.
	Label string

	// Pinned are values of the open label that always have a series, whatever else
	// comes. At most 10,000, no longer than MaxLabelBytes, valid UTF-8.
	Pinned []string

	// Closed are further labels, each with all its values. Each series has a counter
	// for each combination of them, of which there may be 1,024.
	Closed []ClosedLabel

	// MaxSeries is how many values of the open label besides the pinned ones have a
	// series at a time. Zero means 100. At most 10,000.
	MaxSeries int

	// MaxBytes is how much memory the family may take, names that wait for a series
	// among it. Zero means 1 MiB. It must be enough for the pinned series; what is
	// left limits the others as MaxSeries does.
	MaxBytes int64

	// MaxLabelBytes is how long a value of the open label may be, in bytes. Zero
	// means 128. It must be between 16 and 4,096.
	MaxLabelBytes int

	// IdleAfter is how long a series that is not pinned may be unused before Sweep
	// removes it, or less by up to 1.2 seconds. Zero means 1 hour.
	IdleAfter time.Duration
}

// A ClosedLabel is a label of which all values are known. Any other value counts
// as [OtherName], which it may not have itself.
type ClosedLabel struct {
	Name   string
	Values []string
}

// Validate reports the first field of c that breaks its rule, or nil.
func (c FamilyConfig) Validate() error {
	if !validName(c.Name) || !strings.HasSuffix(c.Name, totalSuffix) || c.Name == totalSuffix {
		return fmt.Errorf("metrics: FamilyConfig.Name is %.100q, want [a-zA-Z_:][a-zA-Z0-9_:]* of at most %d bytes that ends in _total", c.Name, maxNameBytes)
	}
	if !validHelp(c.Help) {
		return fmt.Errorf("metrics: FamilyConfig.Help is %.100q, want UTF-8 of at most %d bytes", c.Help, maxHelpBytes)
	}
	if c.MaxSeries < 0 || c.MaxSeries > maxSeries {
		return fmt.Errorf("metrics: FamilyConfig.MaxSeries is %d, want 0 to %d", c.MaxSeries, maxSeries)
	}
	if c.MaxLabelBytes != 0 && (c.MaxLabelBytes < minLabelBytes || c.MaxLabelBytes > maxLabelBytes) {
		return fmt.Errorf("metrics: FamilyConfig.MaxLabelBytes is %d, want 0 or %d to %d", c.MaxLabelBytes, minLabelBytes, maxLabelBytes)
	}
	if c.IdleAfter < 0 {
		return fmt.Errorf("metrics: FamilyConfig.IdleAfter is %v, want zero or more", c.IdleAfter)
	}
	d := c.withDefaults()
	if err := validatePinned("FamilyConfig.Pinned", c.Pinned, d.MaxLabelBytes); err != nil {
		return err
	}
	if err := d.validateLabels(); err != nil {
		return err
	}
	if least := d.leastBytes(); d.MaxBytes < least {
		return fmt.Errorf("metrics: FamilyConfig.MaxBytes is %d, want %d for what is pinned", c.MaxBytes, least)
	}
	return nil
}

func (c FamilyConfig) validateLabels() error {
	if !validLabel(c.Label) {
		return fmt.Errorf("metrics: FamilyConfig.Label is %.100q, want [a-zA-Z_][a-zA-Z0-9_]* of at most %d bytes", c.Label, maxNameBytes)
	}
	names, combinations := []string{c.Label}, 1
	for i, l := range c.Closed {
		if !validLabel(l.Name) || slices.Contains(names, l.Name) {
			return fmt.Errorf("metrics: FamilyConfig.Closed[%d].Name is %.100q, want [a-zA-Z_][a-zA-Z0-9_]* of its own", i, l.Name)
		}
		names = append(names, l.Name)
		for j, v := range l.Values {
			if _, changed := clip(v, c.MaxLabelBytes); changed || v == OtherName || slices.Contains(l.Values[:j], v) {
				return fmt.Errorf("metrics: FamilyConfig.Closed[%d].Values[%d] is %.100q, want UTF-8 of at most %d bytes that is not reserved nor there twice",
					i, j, v, c.MaxLabelBytes)
			}
		}
		if combinations *= len(l.Values) + 1; combinations > maxCombinations {
			return fmt.Errorf("metrics: FamilyConfig.Closed has more than %d combinations, counting %q for each label", maxCombinations, OtherName)
		}
	}
	return nil
}

func (c FamilyConfig) withDefaults() FamilyConfig {
	c.MaxSeries = orDefault(c.MaxSeries, defaultMaxSeries)
	c.MaxBytes = orDefault(c.MaxBytes, defaultFamilyBytes)
	c.MaxLabelBytes = orDefault(c.MaxLabelBytes, defaultMaxLabelBytes)
	c.IdleAfter = orDefault(c.IdleAfter, defaultIdleAfter)
	c.Pinned = slices.Clone(c.Pinned)
	c.Closed = slices.Clone(c.Closed)
	for i := range c.Closed {
		c.Closed[i].Values = slices.Clone(c.Closed[i].Values)
	}
	return c
}

// combinations returns how many there are of the closed labels.
func (c *FamilyConfig) combinations() int {
	n := 1
	for _, l := range c.Closed {
		n *= len(l.Values) + 1
	}
	return n
}

// fixedBytes is what a family takes beside its series.
func (c *FamilyConfig) fixedBytes() int64 {
	sum := familyBytes + int64(max(c.MaxSeries, 16))*(candidateBytes+nameBytes(c.MaxLabelBytes))
	for _, l := range c.Closed {
		sum += closedBytes + int64(len(l.Values))*closedValueBytes
	}
	return sum
}

// leastBytes is what a family takes that has its pinned series only.
func (c *FamilyConfig) leastBytes() int64 {
	t := table[combinations]{config: tableConfig[combinations]{valueBytes: combinationsBytes(c.combinations())}}
	sum := c.fixedBytes()
	for _, name := range append(c.Pinned, OtherName, RetiredName) {
		sum += t.seriesBytes(name)
	}
	return sum
}
