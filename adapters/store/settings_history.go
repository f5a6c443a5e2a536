package store

import (
	"context"

	"github.com/paybridge/paybridge/ports"
)

// SettingHistory is what became of one row (ports.Settings).
func (s *Store) SettingHistory(ctx context.Context, key ports.SettingKey, before int64, limit int64) ([]ports.SettingVersion, error) {
	var rows []struct {
		Generation       int64
		Owner, ChangedBy string
		At               int64
		Content          string
	}
	q := s.read.NewSelect().TableExpr("settings_history as h").Join("join settings_generations as g on g.generation = h.generation").
		ColumnExpr("h.generation, h.owner, g.changed_by, g.at, h.content").Where("h.kind = ? and h.name = ?", key.Kind, key.Name)
	if before > 0 {
		q = q.Where("h.generation < ?", before)
	}
	if err := q.OrderExpr("h.generation desc").Limit(limit).Scan(ctx, &rows); err != nil {
		return nil, failed(err, "read the history of %s", key)
	}
	versions := make([]ports.SettingVersion, len(rows))
	for i, r := range rows {
		versions[i] = ports.SettingVersion{Generation: r.Generation, Owner: r.Owner, By: r.ChangedBy, At: fromMicros(r.At)}
		if r.Content != "" {
			versions[i].Content = []byte(r.Content)
		}
	}
	return versions, nil
}
