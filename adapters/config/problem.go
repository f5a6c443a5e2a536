package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a configuration.
type Problem struct {
	Where string // the file and line, the environment variable, or the flag that said it
	Key   string // accounts[0].mchid; empty when the whole file cannot be read
	What  string // what is wrong, and the remedy; never a secret
}

func (p Problem) String() string {
	if p.Key == "" {
		return p.Where + ": " + p.What
	}
	return p.Where + ": " + p.Key + ": " + p.What
}

// Invalid is a configuration's problems, all of them at once.
type Invalid struct{ Problems []Problem }

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	if len(lines) == 1 {
		return "the configuration has a problem: " + lines[0]
	}
	return fmt.Sprintf("the configuration has %d problems:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// Problem is one that somebody else has found with a value of this configuration: a JSON Pointer below a key, as in
// "/api_v3_keys/0" below accounts[0].config. Of a field that is unknown, known are those that there are.
func (c Config) Problem(key, pointer, what string, known []string) Problem {
	name := ""
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		if token == "" {
			continue
		}
		name = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		if _, err := strconv.Atoi(name); err == nil {
			key += "[" + name + "]"
		} else {
			key = below(key, name)
		}
	}
	if len(known) > 0 {
		what = unknownKey(name, known)
	}
	p := Problem{Key: key, What: what}
	if c.where != nil {
		p.Where = c.where(key)
	}
	return p
}

// unknownKey says what a key that there is not probably should be.
func unknownKey(name string, known []string) string {
	if meant := nearest(name, known); meant != "" {
		return "this key is unknown; did you mean " + meant + "?"
	}
	return "this key is unknown; remove it. Known here: " + strings.Join(known, ", ")
}

// nearest is the known word that somebody probably meant, or "".
func nearest(word string, known []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range slices.Sorted(slices.Values(known)) {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace, or swap with the next, between two words (optimal string
// alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// alternatives lists words as a person would: "a, b or c".
func alternatives[S ~string](words []S) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}
