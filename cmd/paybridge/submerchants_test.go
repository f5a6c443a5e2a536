package main

import (
	"slices"
	"strings"
	"testing"
)

func TestParseSubMerchants(t *testing.T) {
	t.Parallel()
	one, two := subMerchant{"school-1", "1900000101"}, subMerchant{"school-2", "1900000102"}
	for _, row := range []struct {
		name, text string
		want       []subMerchant
		says       []string // empty: it is right
	}{
		{"as in the help", "name,sub_mchid\nschool-1,1900000101\nschool-2,1900000102\n", []subMerchant{one, two}, nil},
		{"as a spreadsheet saves it", "\ufeff学校,Sub_MchID , NAME\r\n\"第一, 小学\",1900000101,school-1\r\n,,\r\n第二小学, 1900000102,\"school-2\"", []subMerchant{one, two}, nil},
		{"empty", "", nil, []string{"its first line is"}},
		{"no headings", "school-1,1900000101\n", nil, []string{"its first line must name the columns"}},
		{"nobody", "name,sub_mchid\n", nil, []string{"it lists nobody"}},
		{"all that is wrong at once", "name,sub_mchid\nschool-1,\nschool-2,2\n,3\nschool-2,4\nSchool,5\n", nil, []string{`line 6: the name "School" may have`, "line 2: name or sub_mchid is missing", "line 4: name", "line 5: the name \"school-2\" is that of line 3"}},
		{"a line of another width", "name,sub_mchid\nschool-1,1,2\n", nil, []string{"line 2"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, err := parseSubMerchants(strings.NewReader(row.text))
			if (err == nil) != (row.says == nil) || !slices.Equal(got, row.want) {
				t.Fatalf("%v, %v; want %v", got, err, row.want)
			}
			for _, text := range row.says {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%v; want %q in it", err, text)
				}
			}
		})
	}
}

func FuzzParseSubMerchants(f *testing.F) {
	f.Add("name,sub_mchid\nschool-1,1900000101\n")
	f.Add("\ufeffsub_mchid;name\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseSubMerchants(strings.NewReader(text))
		if (err == nil) != (len(list) > 0) {
			t.Fatalf("%d sub merchants, %v", len(list), err)
		}
		seen := map[string]bool{}
		for _, one := range list {
			if one.Name == "" || one.SubMchID == "" || seen[one.Name] {
				t.Errorf("%q", one)
			}
			seen[one.Name] = true
		}
	})
}
