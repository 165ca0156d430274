package metrics

// vocabulary says what the fields of the statistics of this library's containers
// mean. A word means the same in all of them.
var vocabulary = map[string]string{
	// All of them.
	"Bytes":    "memory taken, in bytes",
	"MaxBytes": "bound on the memory taken, in bytes, 0 if there is none",
	"Evicted":  "what had to leave at the bound",
	"Swept":    "what a sweep removed",

	// cache.Stats
	"Hits":          "reads that returned a value",
	"Misses":        "reads that did not return a value",
	"Sets":          "values stored",
	"Expired":       "entries that left because their time was over",
	"Deleted":       "entries that somebody deleted",
	"Replaced":      "values that were replaced by another",
	"Cleared":       "entries that left because the cache was cleared",
	"Refused":       "values that did not come in",
	"LastVictimAge": "how long the entry evicted last had been there, in seconds",
	"Loads":         "loads begun",
	"LoadErrors":    "loads that failed",
	"Loading":       "loads under way",
	"Waiting":       "callers that wait for a load",
	"Entries":       "entries held",
	"MaxEntries":    "bound on the entries, 0 if there is none",

	// ratelimit.Stats
	"Addresses":       "addresses tracked",
	"MaxAddresses":    "bound on the addresses tracked",
	"Begun":           "attempts charged",
	"Succeeded":       "attempts that succeeded",
	"Failed":          "attempts that failed",
	"Cancelled":       "attempts that were called off",
	"Lockouts":        "lock-outs that began",
	"DeniedLocked":    "attempts refused because the source is locked out",
	"DeniedBusy":      "attempts refused because others of the source are open",
	"DeniedSaturated": "attempts refused because the source may have had all it is allowed",
	"EvictedLocked":   "sources that left the table at the bound while locked out",

	// sweep.JobStats
	"Interval":      "time between two runs, in seconds",
	"Kind":          "kind of the job",
	"Runs":          "runs that have ended",
	"Panics":        "panics in functions of the application",
	"Errors":        "runs that returned an error",
	"Slow":          "runs that took long",
	"Missed":        "intervals in which no run began",
	"Removed":       "what the runs removed",
	"Lag":           "how late the last run began, in seconds",
	"MaxLag":        "how late a run began at most, in seconds",
	"LastDuration":  "how long the last run took, in seconds",
	"TotalDuration": "how long all runs took together, in seconds",
	"Next":          "when the next run is due, in seconds since 1970",
	"RunningSince":  "when the run in progress began, in seconds since 1970",
	"BackingOff":    "whether the last run panicked",
	"Stopped":       "whether the job was stopped",

	// RingSnapshot
	"Count":    "observations held",
	"Min":      "smallest observation held",
	"Max":      "largest observation held",
	"Mean":     "mean of the observations held",
	"Age":      "age of the oldest observation held, in seconds",
	"Observed": "observations made",
	"Dropped":  "observations dropped because they were negative, infinite or not a number",

	// WatchState
	"Level":   "0 ok, 1 high, 2 critical",
	"Since":   "when the level was reached, in seconds since 1970",
	"Share":   "share of the limit that is in use",
	"Checks":  "how often the memory was looked at",
	"Unknown": "how often nothing could be told of it",
	"Changes": "how often the level changed",

	"ProfileErrors": "heap profiles that could not be written",

	// Growth
	"At":           "when it was measured, in seconds since 1970",
	"Marks":        "low-water marks that the growth is computed from",
	"Window":       "time that was looked at, in seconds",
	"SharePerHour": "growth of the share of the limit in an hour",
	"SlowestShare": "lower end of the 95 % confidence interval of the growth",
	"FastestShare": "upper end of the 95 % confidence interval of the growth",
	"BytesPerHour": "growth in an hour, in bytes",
	"Confidence":   "probability with which memory that does not grow would have seemed to grow less",
	"LimitAt":      "when the limit is reached at this rate, in seconds since 1970",
	"LimitSoonest": "when the limit is reached at the rate of the upper end",
	"LimitLatest":  "when the limit is reached at the rate of the lower end",
	"Suspected":    "whether a leak is suspected",
}
