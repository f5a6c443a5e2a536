package main

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// statementReport is how long a day's statement takes to be compared with as many stored payments, and the most memory meanwhile.
type statementReport struct {
	Lines   int     `json:"lines"`
	Seconds float64 `json:"seconds"`
	Gateway int64   `json:"gateway_bytes"` // 0: not measured
	Plugin  int64   `json:"plugin_bytes"`
}

var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// statements measures the comparison on each database.
func (b *bench) statements(ctx context.Context, reports []*databaseReport) (err error) {
	if b.options.Lines == 0 {
		return nil
	}
	for _, r := range reports {
		if r.Statement, err = b.statement(ctx, r.Database); err != nil {
			return fmt.Errorf("%s: %w", r.Database, err)
		}
	}
	return nil
}

func (b *bench) statement(ctx context.Context, driver string) (_ *statementReport, err error) {
	p := &place{rounds: map[string][]float64{}}
	defer func() { err = errors.Join(err, p.close(ctx)) }()
	if p.database, err = b.newDatabase(ctx, driver, "statement"); err != nil {
		return nil, err
	}
	if p.gateway, err = b.startGateway(ctx, p.database); err != nil {
		return nil, err
	}
	day := time.Now().In(shanghai).AddDate(0, 0, -2) // its statement is ready at any hour of today
	payments, err := b.fillDay(ctx, p, day)
	if err != nil {
		return nil, err
	}
	b.say("%s: writing the statement", driver)
	if err := b.writeBill(payments, day); err != nil {
		return nil, err
	}
	if p.gateway, err = b.startGateway(ctx, p.database); err != nil {
		return nil, err
	}
	b.say("%s: comparing %d lines", driver, len(payments))
	memory := watchMemory(p.cmd.Process.Pid, p.plugin)
	began := time.Now()
	err = p.compare(ctx, day.Format(time.DateOnly), int64(len(payments)))
	took, most := time.Since(began), memory.stop()
	return &statementReport{len(payments), took.Seconds(), most[0], most[1]}, err
}

// fillDay stores a day of payments, while the gateway is stopped.
func (b *bench) fillDay(ctx context.Context, p *place, day time.Time) ([]string, error) {
	made, err := b.finish(ctx, []*place{p}, "statement", 1)
	if err != nil {
		return nil, err
	}
	if err := p.stop(); err != nil {
		return nil, err
	}
	p.gateway = nil
	db, opened, err := p.database.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	paid, err := readTemplate(ctx, db, made[0][0].order, made[0][0].payment, "")
	if err != nil {
		return nil, err
	}
	b.say("%s: storing the %d payments of a day", p.database.driver, b.options.Lines)
	y, m, d := day.Date()
	began := time.Date(y, m, d, 0, 5, 0, 0, shanghai)
	payments, err := copies(ctx, db, b.options.Lines, 2, func(int) *template { return paid },
		func(i int) time.Time {
			return began.Add(23 * time.Hour * time.Duration(i) / time.Duration(b.options.Lines))
		}, b.say)
	if err == nil && p.database.driver == postgres {
		_, err = db.ExecContext(ctx, "vacuum analyze")
	}
	return payments, err
}

// writeBill writes the statement that WeChat would make of them.
func (b *bench) writeBill(payments []string, day time.Time) (err error) {
	if err := os.MkdirAll(b.wechat.bills(), 0o700); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(b.wechat.bills(), mchID+"-"+day.Format(time.DateOnly)+".csv.gz"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	packed, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, packed.Close()) }()
	out := bufio.NewWriter(packed)
	defer func() { err = errors.Join(err, out.Flush()) }()
	return bill(out, payments, day)
}

// bill is a trade bill of payments of 1.00 yuan each.
func bill(out io.Writer, payments []string, day time.Time) error {
	const headings = "\ufeff交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额," +
		"微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n"
	if _, err := io.WriteString(out, headings); err != nil {
		return err
	}
	for i, number := range payments {
		if _, err := fmt.Fprintf(out, "`%s 12:00:00,`%s,`%s,`0,`,`4200%024d,`%s,`%s,`JSAPI,`SUCCESS,`OTHERS,`CNY,`1.00,`0.00,`0,`0,`0.00,`0.00,`,`,`Outpatient visit,`,`0.01000,`0.60%%,`1.00,`0.00,`\r\n",
			day.Format(time.DateOnly), appID, mchID, i, number, openID); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n`%d,`%d.00,`0.00,`0.00,`%d.%02d000,`%d.00,`0.00\r\n",
		len(payments), len(payments), len(payments)/100, len(payments)%100, len(payments))
	return err
}

// compare has the gateway compare a day's statement, which must differ in nothing.
func (p *place) compare(ctx context.Context, day string, lines int64) error {
	var page struct {
		Statements []struct {
			State, Error string
			Lines        int64
			Differences  int
		}
	}
	body := map[string]string{"day": day, "account": account}
	if err := exchange(ctx, p.client, http.MethodPost, p.admin+"/admin/v1/statements", "", body, &page); err != nil {
		return err
	}
	return eventually(ctx, 10*time.Minute, func() error {
		if err := exchange(ctx, p.client, http.MethodGet, p.admin+"/admin/v1/statements?account="+account+"&day="+day, "", nil, &page); err != nil {
			return final{err}
		}
		text, _ := json.Marshal(page)
		switch {
		case len(page.Statements) != 1 || page.Statements[0].Error != "" || page.Statements[0].State == "differing":
			return final{fmt.Errorf("it came to %s", text)}
		case page.Statements[0].State != "matched":
			return fmt.Errorf("it is at %s", text)
		case page.Statements[0].Lines != lines:
			return final{fmt.Errorf("%d lines were read, want %d", page.Statements[0].Lines, lines)}
		}
		return nil
	})
}
