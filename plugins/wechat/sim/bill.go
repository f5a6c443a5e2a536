package sim

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1" // WeChat's bills are hashed by SHA-1
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	billReadyHour = 10              // of the next day, in Shanghai: before it a day's bill is being made
	billLife      = 5 * time.Minute // of a download_url
	billPath      = "/v3/billdownload/file"
)

// billFile is a bill that was asked for and may be downloaded.
type billFile struct {
	mchID   string
	plain   []byte
	packed  []byte // of a bill of the caller's: gzip, instead of plain
	gzip    bool
	expires time.Time
	cut     bool // the download ends half way
}

// billDay reads bill_date and says when its bill is ready, or why there is none.
func billDay(c *call) (day time.Time, bad *answer) {
	text := c.query.Get("bill_date")
	if text == "" {
		return day, missing("query", "bill_date", "账单日期")
	}
	day, err := time.ParseInLocation(time.DateOnly, text, shanghai)
	if err != nil {
		return day, paramError("query", text, "输入源“/query/bill_date”映射到值字段“账单日期”字符串规则校验失败，格式应为YYYY-MM-DD")
	}
	today := dayOf(c.now)
	refused := refuse(http.StatusBadRequest, "INVALID_REQUEST", "账单日期不在可下载的范围内", causeUnspecified)
	switch {
	case !day.Before(today), day.Before(today.AddDate(0, -3, 0)):
		return day, &refused
	case c.now.Before(billReady(day)):
		refused = billCreating()
		return day, &refused
	}
	return day, nil
}

func dayOf(t time.Time) time.Time {
	y, m, d := t.In(shanghai).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, shanghai)
}

// billReady is when a day's bill is made: what happens later changes nothing in it.
func billReady(day time.Time) time.Time { return day.AddDate(0, 0, 1).Add(billReadyHour * time.Hour) }

func billCreating() answer {
	return refuse(http.StatusBadRequest, "STATEMENT_CREATING", "账单生成中，请稍后重试", causeUnspecified)
}

func noBill() answer {
	return refuse(http.StatusBadRequest, "NO_STATEMENT_EXIST", "账单文件不存在", causeUnspecified)
}

// enum reads a query parameter that knows a few values; the first stands for none.
func enum(c *call, name, label string, values ...string) (string, *answer) {
	given := c.query.Get(name)
	switch {
	case given == "":
		return values[0], nil
	case slices.Contains(values, given):
		return given, nil
	}
	return "", paramError("query", given, fmt.Sprintf("输入源“/query/%s”映射到值字段“%s”字符串规则校验失败，字符串值不在枚举范围内", name, label))
}

// bill answers for a day's bill with where it may be downloaded. read is called under s.mu; no row is no bill. given names the file that
// is the bill instead, where it is there.
func (s *Simulator) bill(c *call, given func(day string) string, read func(*world, time.Time) table) answer {
	day, bad := billDay(c)
	if bad != nil {
		return *bad
	}
	packed, bad := enum(c, "tar_type", "压缩类型", "", "GZIP")
	if bad != nil {
		return *bad
	}
	file, hash, err := readGiven(given(c.query.Get("bill_date")))
	if err != nil {
		s.cfg.Logger.Error("a bill of the bills folder cannot be given", "error", err)
		return refuse(http.StatusInternalServerError, "SYSTEM_ERROR", "系统错误，请稍后重试", causeUnspecified)
	}
	o := occasion{path: c.request.Method + " " + c.request.Path, number: c.query.Get("bill_date"), mchID: c.merchant.MchID}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, none := s.faults.take(o, BillCreating, BillMissing); none && f.Kind == BillCreating {
		return billCreating()
	} else if none {
		return noBill()
	}
	if file != nil {
		return s.offer(c, billFile{mchID: c.merchant.MchID, packed: file, gzip: packed == "GZIP"}, hash)
	}
	t := read(s.world, day)
	if len(t.rows) == 0 {
		return noBill()
	}
	spoil := func(kind FaultKind) bool {
		_, fired := s.faults.take(o, kind)
		return fired
	}
	s.spoilTable(&t, spoil)
	text := t.csv(!spoil(BillPlain))
	sum := sha1.Sum(text)
	hash = hex.EncodeToString(sum[:])
	if spoil(BillWrongHash) {
		hash = strings.Repeat("0", len(hash))
	}
	return s.offer(c, billFile{mchID: c.merchant.MchID, plain: text, gzip: packed == "GZIP", cut: spoil(BillTruncated)}, hash)
}

// offer keeps a file for its download. s.mu is held.
func (s *Simulator) offer(c *call, f billFile, hash string) answer {
	token := alphanumeric(64)
	f.expires = c.now.Add(billLife)
	s.world.keepBill(token, f, c.now)
	url := s.BaseURL() + billPath + "?token=" + token
	if f.gzip {
		url += "&tartype=gzip"
	}
	return ok(map[string]any{"download_url": url, "hash_type": "SHA1", "hash_value": hash})
}

// ledgerOnly is of bills that nobody gives.
func ledgerOnly(string) string { return "" }

// readGiven reads a packed bill of the caller's, with the hash of what it unpacks to; nil where there is none.
func readGiven(path string) (packed []byte, hash string, err error) {
	if path == "" {
		return nil, "", nil
	}
	packed, err = os.ReadFile(path) //nolint:gosec // the caller's folder, a day's name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	} else if err != nil {
		return nil, "", err
	}
	plain, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	sum := sha1.New()
	if _, err := io.Copy(sum, plain); err != nil { //nolint:gosec // the caller's own file
		return nil, "", fmt.Errorf("%s: %w", path, err)
	}
	return packed, hex.EncodeToString(sum.Sum(nil)), nil
}

// keepBill keeps a file until its URL has expired.
func (w *world) keepBill(token string, f billFile, now time.Time) {
	for other, old := range w.bills {
		if now.After(old.expires) {
			delete(w.bills, other)
		}
	}
	w.bills[token] = f
}

// downloadBill answers the download_url: the file as it is, never signed. The request is signed like any other.
func (s *Simulator) downloadBill(c *call) answer {
	s.mu.Lock()
	f, there := s.world.bills[c.query.Get("token")]
	s.mu.Unlock()
	switch {
	case !there || c.now.After(f.expires):
		return refuse(http.StatusBadRequest, "INVALID_REQUEST", "账单下载地址无效或已过期，请重新申请账单", causeUnspecified)
	case f.mchID != c.merchant.MchID:
		return refuse(http.StatusForbidden, "NO_AUTH", "权限异常", causeUnspecified)
	}
	body, kind := f.plain, "text/plain; charset=utf-8"
	switch {
	case f.gzip && f.packed != nil:
		body, kind = f.packed, "application/gzip"
	case f.packed != nil:
		plain, err := gzip.NewReader(bytes.NewReader(f.packed))
		if err != nil { // it was read whole when it was offered
			return refuse(http.StatusInternalServerError, "SYSTEM_ERROR", "系统错误，请稍后重试", causeUnspecified)
		}
		if body, err = io.ReadAll(plain); err != nil {
			return refuse(http.StatusInternalServerError, "SYSTEM_ERROR", "系统错误，请稍后重试", causeUnspecified)
		}
	case f.gzip:
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(f.plain) // a bytes.Buffer takes everything
		_ = z.Close()
		body, kind = packed.Bytes(), "application/gzip"
	}
	if f.cut {
		body = body[:len(body)/2]
	}
	return answer{status: http.StatusOK, body: body, unsigned: true, contentType: kind}
}
