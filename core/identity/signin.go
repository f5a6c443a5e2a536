package identity

// Seen is what WeChat itself says of somebody who has just come: by a web authorization's code or a mini program's
// js_code.
type Seen struct {
	Name
	UnionID  string // empty: not told
	Snapshot bool   // a throw-away openid of a payer who has not agreed to be known
}

// Stored is what is known of a name, read under locks.
type Stored struct {
	Identity *Identity // nil: the name is new
	Union    string    // the person who has the unionid that was seen; empty: nobody, or none was seen
}

// SignIn is what a sign-in changes.
type SignIn struct {
	Put   Identity // the identity as it is from now on
	Merge *Merge   // two persons are found to be one
}

// Merge moves every identity of one person to another. Payments and orders bear names, not persons, so none is lost.
type Merge struct{ From, Into string }

// Meet decides what it means that WeChat named somebody. fresh is the id of a person who is new. It never fails: what
// WeChat says of its own users is so, and what apps say beside it stays with each app (View).
func Meet(seen Seen, known Stored, fresh string) SignIn {
	if known.Identity == nil {
		person := fresh
		if known.Union != "" {
			person = known.Union
		}
		return SignIn{Put: Identity{Name: seen.Name, UnionID: seen.UnionID, Person: person}}
	}
	d := SignIn{Put: *known.Identity}
	if seen.UnionID == "" { // not told this time takes nothing back
		return d
	}
	d.Put.UnionID = seen.UnionID
	if known.Union != "" && known.Union != d.Put.Person {
		d.Merge = &Merge{From: d.Put.Person, Into: known.Union}
		d.Put.Person = known.Union
	}
	return d
}
