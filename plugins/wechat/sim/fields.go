package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// field is one parameter of a request body as the API document defines it.
type field struct {
	path     string // below the body: "amount/total"
	label    string // what the error texts call it
	kind     fieldKind
	required bool
	min, max int64 // bytes of a text, the value of a number; 0: no bound
	pattern  string
}

type fieldKind int

const (
	text    fieldKind = iota
	number            // a 64-bit signed integer
	boolean           // true or false
	object            // its fields are listed beside it
	opaque            // an object or array whose inside is not checked
)

// texts of PARAM_ERROR for a value of the wrong type.
var typeText = map[fieldKind]string{
	text:    "此字段需要一个合法的字符串",
	number:  "此字段需要一个合法的 64 位有符号整数",
	boolean: "此字段需要一个合法的布尔值",
	object:  "此字段需要一个合法的对象",
	opaque:  "此字段需要一个合法的对象或数组",
}

// notifyURL is the expression that WeChat holds a notify URL against: no query, no fragment; http, ports and
// localhost are fine.
const notifyURL = `^https?://([^\s/?#\[\]\@]+\@)?([^\s/?#\@:]+)(?::\d{2,5})?([^\s?#\[\]]*)$`

// numberText is what the numbers of trades are made of; refunds may have @ besides.
const (
	numberText       = `^[0-9a-zA-Z_\-\|\*]+$`
	refundNumberText = `^[0-9a-zA-Z_\-\|\*@]+$`
)

var patterns = map[string]*regexp.Regexp{
	notifyURL:        regexp.MustCompile(notifyURL),
	numberText:       regexp.MustCompile(numberText),
	refundNumberText: regexp.MustCompile(refundNumberText),
}

// content is a request body that passed its checks.
type content map[string]any

// text is the string at a path, "" when it is not there.
func (c content) text(path string) string {
	v, _ := c.find(path)
	s, _ := v.(string)
	return s
}

// number is the integer at a path, 0 when it is not there.
func (c content) number(path string) int64 {
	v, _ := c.find(path)
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

func (c content) find(path string) (any, bool) {
	var at any = map[string]any(c)
	for name := range strings.SplitSeq(path, "/") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = m[name]; !ok {
			return nil, false
		}
	}
	return at, true
}

// canonical is the body with its keys sorted and its spaces gone: two bodies that say the same are equal.
func (c content) canonical() string { return string(compact(c)) }

// parseBody reads a body against its document: the first rule that fails is the answer, then whatever is not
// in the document.
func parseBody(body []byte, fields []field) (content, *answer) {
	c, isObject := decode(body)
	if !isObject {
		a := refuse(http.StatusBadRequest, "PARAM_ERROR", "请求体不是合法的JSON对象", causeParam)
		return nil, &a
	}
	for _, f := range fields {
		if bad := f.check(c); bad != nil {
			return nil, bad
		}
	}
	if unknown := unknownPaths(c, "", fields); len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, paramError(nil, unknown, "请求中含有未在API文档中定义的参数")
	}
	return c, nil
}

// decode reads one JSON object, numbers as they are written.
func decode(body []byte) (content, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var c content
	if err := d.Decode(&c); err != nil || c == nil {
		return nil, false
	}
	_, err := d.Token()
	return c, errors.Is(err, io.EOF)
}

// paramError is a 400 whose detail says where and what.
func paramError(location, value any, message string) *answer {
	detail := map[string]any{"location": location, "value": value}
	return &answer{
		status: http.StatusBadRequest, cause: causeParam, code: "PARAM_ERROR",
		body: compact(refusal{Code: "PARAM_ERROR", Detail: detail, Message: message}),
	}
}

func missing(location, path, label string) *answer {
	return paramError(location, "", fmt.Sprintf("输入源“/%s/%s”映射到字段“%s”必填性规则校验失败，此字段为必填项", location, path, label))
}

func (f field) check(c content) *answer {
	v, there := c.find(f.path)
	switch {
	case !there && f.required && f.parentThere(c):
		return missing("body", f.path, f.label)
	case !there:
		return nil
	}
	switch f.kind {
	case text:
		s, ok := v.(string)
		if !ok {
			return f.wrongType(v)
		}
		return f.checkText("body", s)
	case number:
		n, ok := v.(json.Number)
		if !ok {
			return f.wrongType(v)
		}
		i, err := strconv.ParseInt(n.String(), 10, 64)
		if err != nil {
			return f.wrongType(v)
		}
		return f.checkNumber(i)
	case boolean:
		if _, ok := v.(bool); !ok {
			return f.wrongType(v)
		}
	case object:
		if _, ok := v.(map[string]any); !ok {
			return f.wrongType(v)
		}
	case opaque:
		switch v.(type) {
		case map[string]any, []any:
		default:
			return f.wrongType(v)
		}
	}
	return nil
}

// parentThere tells whether the object that holds the field is in the body: a missing object is reported once,
// by itself when it is required.
func (f field) parentThere(c content) bool {
	i := strings.LastIndexByte(f.path, '/')
	if i < 0 {
		return true
	}
	_, there := c.find(f.path[:i])
	return there
}

func (f field) wrongType(v any) *answer {
	return paramError("body", v, fmt.Sprintf("无法将 JSON 输入源“/body/%s”映射到目标字段“%s”中，%s", f.path, f.label, typeText[f.kind]))
}

// checkText counts bytes, not characters, as WeChat does.
func (f field) checkText(location, s string) *answer {
	rule := fmt.Sprintf("输入源“/%s/%s”映射到值字段“%s”字符串规则校验失败，", location, f.path, f.label)
	n := int64(len(s))
	least := f.min
	if f.required {
		least = max(least, 1)
	}
	switch {
	case n < least && f.pattern != notifyURL:
		return paramError(location, n, fmt.Sprintf("%s字节数 %d，小于最小值 %d", rule, n, least))
	case f.max > 0 && n > f.max:
		return paramError(location, n, fmt.Sprintf("%s字节数 %d，大于最大值 %d", rule, n, f.max))
	case f.pattern != "" && !patterns[f.pattern].MatchString(s):
		return paramError(location, s, fmt.Sprintf("%s字符串必须匹配正则表达式“%s”", rule, f.pattern))
	}
	return nil
}

func (f field) checkNumber(n int64) *answer {
	rule := fmt.Sprintf("输入源“/body/%s”映射到数值字段“%s”规则校验失败，", f.path, f.label)
	switch {
	case n < f.min:
		return paramError("body", n, fmt.Sprintf("%s值低于最小值 %d", rule, f.min))
	case f.max > 0 && n > f.max:
		return paramError("body", n, fmt.Sprintf("%s值高于最大值 %d", rule, f.max))
	}
	return nil
}

func unknownPaths(c map[string]any, under string, fields []field) []string {
	var unknown []string
	for name, v := range c {
		path := under + name
		i := slices.IndexFunc(fields, func(f field) bool { return f.path == path })
		if i < 0 {
			unknown = append(unknown, "/body/"+path)
			continue
		}
		if inner, ok := v.(map[string]any); ok && fields[i].kind == object {
			unknown = append(unknown, unknownPaths(inner, path+"/", fields)...)
		}
	}
	return unknown
}
