package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/ports"
)

// claimable is where the rows of a kind are: their table, their key, and whose share they count against.
type claimable struct{ table, key, share string }

var claimables = map[ports.Kind]claimable{
	ports.KindOrder:   {"orders", "number", "app"},
	ports.KindPayment: {"payments", "number", "account"},
	ports.KindRefund:  {"refunds", "number", "account"},
	ports.KindInbox:   {"inbox", "id", "account"},

	ports.KindDelivery: {"deliveries", "order_number", "app"},
	ports.KindAlarm:    {"alarms", "id", "kind"},
}

// Claim takes one row (ports.Store). It may run twice by itself when its answer is lost: then the row is claimed, and
// is found when it is due.
func (s *Store) Claim(ctx context.Context, kind ports.Kind, number string, hold time.Duration, now time.Time) (ports.Claim, error) {
	of := claimables[kind]
	claim := ports.Claim{Kind: kind, Number: number, Due: micros(now.Add(hold))}
	err := s.db.NewRaw("update "+of.table+" set claimed_until = "+s.dbNow()+" + ?, due = ? where "+of.key+" = ? and (claimed_until is null or claimed_until < "+s.dbNow()+") returning claimed_until",
		hold.Microseconds(), claim.Due, number).Scan(ctx, &claim.Until)
	if !errors.Is(err, sql.ErrNoRows) {
		if err != nil {
			err = failed(err, "claim %s %s", kind, number)
		}
		return claim, err
	}
	there, err := s.read.NewSelect().Table(of.table).Where(of.key+" = ?", number).Exists(ctx)
	switch {
	case err != nil:
		return claim, failed(err, "claim %s %s", kind, number)
	case !there:
		return claim, fmt.Errorf("%s %s: %w", kind, number, ports.ErrNotFound)
	}
	return claim, fmt.Errorf("%s %s: %w", kind, number, ports.ErrClaimed)
}

// ClaimDue takes rows that are due (ports.Store): of each account its first, then of each its second, those that are
// claimed already counted in, so that one account's thousand slow rows do not keep another's one waiting.
func (s *Store) ClaimDue(ctx context.Context, kind ports.Kind, limit int, hold time.Duration, now time.Time) ([]ports.Claim, error) {
	of := claimables[kind]
	free := "due <= ? and (claimed_until is null or claimed_until < " + s.dbNow() + ")"
	var numbers []string
	err := s.read.NewRaw("select "+of.key+" from (select "+of.key+", due, "+of.share+" as share, row_number() over (partition by "+of.share+" order by due) as turn from "+of.table+" where "+free+") as waiting"+
		" left join (select "+of.share+" as share, count(*) as claimed from "+of.table+" where claimed_until >= "+s.dbNow()+" group by "+of.share+") as busy on busy.share = waiting.share"+
		" order by turn + coalesce(claimed, 0), due limit ?",
		micros(now), limit).Scan(ctx, &numbers)
	if err != nil {
		return nil, failed(err, "look for due %ss", kind)
	}
	if len(numbers) == 0 {
		return nil, nil
	}
	skip := ""
	if s.postgres {
		skip = " for update skip locked"
	}
	var rows []claimedRow
	err = s.db.NewRaw("update "+of.table+" set claimed_until = "+s.dbNow()+" + ?, due = ? where "+of.key+" in (select "+of.key+" from "+of.table+" where "+of.key+" in (?) and "+free+skip+") returning "+of.key+" as number, claimed_until as until",
		hold.Microseconds(), micros(now.Add(hold)), bun.List(numbers), micros(now)).Scan(ctx, &rows)
	if err != nil {
		return nil, failed(err, "claim due %ss", kind)
	}
	slices.SortFunc(rows, func(a, b claimedRow) int { // as they were chosen; the database returns them as it likes
		return cmp.Compare(slices.Index(numbers, a.Number), slices.Index(numbers, b.Number))
	})
	claims := make([]ports.Claim, len(rows))
	for i, r := range rows {
		claims[i] = ports.Claim{Kind: kind, Number: r.Number, Until: r.Until, Due: micros(now.Add(hold))}
	}
	return claims, nil
}

// claimedRow is a row that ClaimDue took.
type claimedRow struct {
	Number string
	Until  int64
}

// Unclaim gives a claim back (ports.Store). A callback or a close may have made the row due meanwhile: that stays.
func (s *Store) Unclaim(ctx context.Context, c ports.Claim, due time.Time) error {
	of := claimables[c.Kind]
	_, err := s.db.ExecContext(ctx, "update "+of.table+" set claimed_until = null, due = case when due = ? then ? else due end where "+of.key+" = ? and claimed_until = ?",
		c.Due, dueOrNull(due), c.Number, c.Until)
	if err != nil {
		return failed(err, "give back %s %s", c.Kind, c.Number)
	}
	return nil
}

// NextDue is the earliest due time of any unclaimed row (ports.Store).
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var next *int64
	query := ""
	for kind, of := range claimables {
		if query != "" {
			query += " union all "
		}
		query += "select min(due) as due /* " + string(kind) + " */ from " + of.table + " where due is not null and (claimed_until is null or claimed_until < " + s.dbNow() + ")"
	}
	if err := s.read.NewRaw("select min(due) from ("+query+") as all_due").Scan(ctx, &next); err != nil {
		return time.Time{}, failed(err, "look for the next due row")
	}
	if next == nil {
		return time.Time{}, nil
	}
	return fromMicros(*next), nil
}
