package store

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/ports"
)

// sealedColumns is where sealed values are: about comes before a row's key in what a value is sealed for.
var sealedColumns = []struct{ table, key, column, about string }{
	{"payments", "number", "provider_state", "provider_state "},
	{"payments", "number", "details", "details "},
	{"orders", "number", "bill", "bill "},
	{"inbox", "id", "facts", "inbox.facts "},
	{"inbox", "id", "body", "inbox.body "},
	{"tokens", "hash", "content", "tokens.content "},
	{"app_tokens", "id", "token", "app_tokens.token "},
}

// resealBatch is how many rows are read at a time.
const resealBatch = 500

// Reseal brings every value that an older key sealed under the current one and tells how many there were; afterwards
// the older keys can go. It may run beside gateways that have the current key, be stopped at any time, and run again:
// a value that changed meanwhile was sealed by whoever changed it. progress is told how many there are so far, now and then;
// nil: nobody is.
func (s *Store) Reseal(ctx context.Context, progress func(n int64)) (n int64, err error) {
	current := s.keys.current + ":"
	for _, of := range sealedColumns {
		for last := ""; ; {
			var rows []struct{ Key, Sealed string }
			err := s.db.NewSelect().Table(of.table).ColumnExpr("? as key, ? as sealed", bun.Ident(of.key), bun.Ident(of.column)).
				Where("? > ?", bun.Ident(of.key), last).Where("? <> ''", bun.Ident(of.column)).
				Where("substr(?, 1, ?) <> ?", bun.Ident(of.column), len(current), current).
				OrderExpr("?", bun.Ident(of.key)).Limit(resealBatch).Scan(ctx, &rows)
			if err != nil {
				return n, fmt.Errorf("look for values of an older key in %s: %w", of.table, err)
			}
			if len(rows) == 0 {
				break
			}
			for _, row := range rows {
				last = row.Key
				text, err := s.keys.open(row.Sealed, of.about+row.Key)
				if err != nil {
					return n, err
				}
				sealed, err := s.keys.seal(text, of.about+row.Key)
				if err != nil {
					return n, err
				}
				result, err := s.db.NewUpdate().Table(of.table).Set("? = ?", bun.Ident(of.column), sealed).
					Where("? = ?", bun.Ident(of.key), row.Key).Where("? = ?", bun.Ident(of.column), row.Sealed).Exec(ctx)
				if err != nil {
					return n, fmt.Errorf("seal %s%s again: %w", of.about, row.Key, err)
				}
				moved, err := result.RowsAffected()
				if err != nil {
					return n, err
				}
				n += moved
			}
			if progress != nil {
				progress(n)
			}
		}
	}
	for _, table := range []string{"settings", "settings_history"} {
		moved, err := s.resealSettings(ctx, table)
		if n += moved; err != nil {
			return n, err
		}
	}
	return n, nil
}

// sealedSecret is a secret in the content of a setting: the row that it is sealed for, and the sealed text.
var sealedSecret = regexp.MustCompile(ports.SealedPrefix + `([a-z]+/[a-z0-9-]+):([^:"\\]+:[A-Za-z0-9+/=]+)`)

// resealSettings does the same for the secrets in settings, of now and of before. What a row says stays the
// same, so it keeps its generation.
func (s *Store) resealSettings(ctx context.Context, table string) (n int64, err error) {
	var rows []struct {
		Kind, Name, Content string
		Generation          int64
	}
	if err := s.db.NewSelect().Table(table).Column("kind", "name", "content", "generation").
		Where("content like ?", "%"+ports.SealedPrefix+"%").Scan(ctx, &rows); err != nil {
		return 0, fmt.Errorf("look for sealed secrets in %s: %w", table, err)
	}
	for _, row := range rows {
		content := sealedSecret.ReplaceAllStringFunc(row.Content, func(text string) string {
			part := sealedSecret.FindStringSubmatch(text)
			if err != nil || strings.HasPrefix(part[2], s.keys.current+":") {
				return text
			}
			var secret []byte
			if secret, err = s.keys.open(part[2], aboutSecret+part[1]); err != nil {
				return text
			}
			var sealed string
			if sealed, err = s.keys.seal(secret, aboutSecret+part[1]); err != nil {
				return text
			}
			n++
			return ports.SealedPrefix + part[1] + ":" + sealed
		})
		if err != nil {
			return n, err
		}
		if _, err := s.db.NewUpdate().Table(table).Set("content = ?", content).Where("kind = ? and name = ?", row.Kind, row.Name).
			Where("generation = ? and content = ?", row.Generation, row.Content).Exec(ctx); err != nil {
			return n, fmt.Errorf("seal the secrets of %s %s again: %w", row.Kind, row.Name, err)
		}
	}
	return n, nil
}
