package arrows

import (
	"slices"
	"strings"
)

// graph is who imports whom. Packages of this module go by their path inside it.
type graph map[string]node

type node struct {
	imports  []string
	standard bool // of the standard library
	ours     bool // of this module
}

// check returns a line for each arrow that points the wrong way, in a stable order: the rule, and the chain of
// imports that breaks it.
func check(g graph, rules []rule) []string {
	var broken []string
	for _, r := range rules {
		for _, name := range g.sorted() {
			if !g[name].ours || !g.matches(r.from, name) || g.matches(r.except, name) {
				continue
			}
			for _, why := range r.breaks(g, name) {
				broken = append(broken, r.name+": "+why)
			}
		}
	}
	return broken
}

// breaks says how the package breaks the rule.
func (r rule) breaks(g graph, name string) (why []string) {
	switch {
	case r.nowhere:
		return []string{name + " has none"}
	case r.only != nil:
		for _, to := range g[name].imports {
			if !g.matches(r.only, to) {
				why = append(why, name+" imports "+to)
			}
		}
	case r.importers != nil:
		for _, other := range g.sorted() {
			if slices.Contains(g[other].imports, name) && !g.matches(r.importers, other) {
				why = append(why, other+" imports "+name)
			}
		}
	case r.siblings:
		why = g.reached(name, func(to string) bool {
			return g[to].ours && g.matches(r.from, to) && family(r.from, to) != family(r.from, name)
		})
	default:
		why = g.reached(name, func(to string) bool {
			return g.matches(r.never, to) && !g.matches(r.neverExcept, to)
		})
	}
	return why
}

// reached gives the shortest chain of imports to each bad package. It goes no further than a bad one, and not
// into the standard library.
func (g graph) reached(from string, bad func(string) bool) (chains []string) {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, to := range g[queue[0]].imports {
			if _, seen := before[to]; seen {
				continue
			}
			before[to] = queue[0]
			switch {
			case bad(to):
				chain := to
				for at := before[to]; at != ""; at = before[at] {
					chain = at + " imports " + chain
				}
				chains = append(chains, chain)
			case !g[to].standard:
				queue = append(queue, to)
			}
		}
	}
	return chains
}

func (g graph) matches(patterns []pattern, name string) bool {
	return slices.ContainsFunc(patterns, func(p pattern) bool {
		if p == "std" {
			return g[name].standard
		}
		if p == "..." {
			return g[name].ours
		}
		below, tree := strings.CutSuffix(string(p), "/...")
		return name == below || tree && strings.HasPrefix(name, below+"/")
	})
}

// family is the folder directly below a pattern that a package lies in: "store" for adapters/store/sqlite.
func family(of []pattern, name string) string {
	for _, p := range of {
		if rest, below := strings.CutPrefix(name, strings.TrimSuffix(string(p), "...")); below {
			first, _, _ := strings.Cut(rest, "/")
			return first
		}
	}
	return name
}

func (g graph) sorted() []string {
	names := make([]string, 0, len(g))
	for name := range g {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
