package config_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"slipway/infra/config"
	"slipway/infra/infratest"
)

// source is settings as the engine hands them over, without the project's name.
type source map[string]string

func (s source) Get(key string) (string, bool) {
	value, ok := s[key]
	return value, ok
}

func (s source) Keys() ([]string, bool) { return slices.Collect(maps.Keys(s)), true }

var top, _ = filepath.Abs("../..")

func settings(t testing.TB, stack string) source {
	t.Helper()
	all := source{}
	for key, value := range infratest.Settings(t, top, stack) {
		if name, ours := strings.CutPrefix(key, infratest.Project+":"); ours {
			all[name] = value
		}
	}
	return all
}

func load(t testing.TB, src source, stack string) *config.Config {
	t.Helper()
	cfg, err := config.Load(src, stack)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestStacks holds that the committed stacks load, and what they are meant to differ in.
func TestStacks(t *testing.T) {
	staging, production, local := load(t, settings(t, "staging"), "staging"), load(t, settings(t, "production"), "production"), load(t, settings(t, "local"), "local")
	if !staging.Registry.Owned || production.Registry.Owned {
		t.Error("staging owns the repositories, and production takes them")
	}
	if production.Network.Nat != config.NATPerZone || !production.Database.MultiAz || !production.Database.Protected {
		t.Error("production survives the loss of a zone and of a temper")
	}
	if local.Database.Protected || !local.Images.AllowDirty {
		t.Error("local is thrown away, and tries out what is not committed")
	}
	backend := func(c *config.Config) config.Service {
		return c.Services[slices.IndexFunc(c.Services, func(s config.Service) bool { return s.Name == "backend" })]
	}
	if one, two := backend(staging), backend(production); one.Count != 1 || two.Count != 2 || one.Port != two.Port {
		t.Errorf("an override changes its keys and no other: staging %+v, production %+v", one, two)
	}
}

// TestProjectFile holds that Pulumi.yaml declares exactly the keys of the Go types, with their types, defaults and
// descriptions.
func TestProjectFile(t *testing.T) {
	declared := infratest.Declarations(t, top)
	types := map[reflect.Kind]string{
		reflect.String: "string", reflect.Struct: "string", reflect.Bool: "boolean", reflect.Int: "integer", reflect.Slice: "array",
	}
	known := map[string]bool{"services": true, "serviceOverrides": true}
	for _, f := range config.Declared() {
		known[f.Key] = true
		d, ok := declared[f.Key]
		if !ok {
			t.Errorf("Pulumi.yaml does not declare %s", f.Key)
			continue
		}
		if d.Type != types[f.Type.Kind()] || d.Description != f.Doc {
			t.Errorf("Pulumi.yaml declares %s as %s, %q; Go has %s, %q", f.Key, d.Type, d.Description, types[f.Type.Kind()], f.Doc)
		}
		if f.Default == nil {
			if d.Default != nil {
				t.Errorf("Pulumi.yaml gives %s a default, and Go requires it to be set", f.Key)
			}
			continue
		}
		text, isText := d.Default.(string)
		if !isText {
			encoded, err := json.Marshal(d.Default)
			if err != nil {
				t.Fatal(err)
			}
			text = string(encoded)
		}
		if text != *f.Default {
			t.Errorf("the default of %s is %q in Pulumi.yaml and %q in Go", f.Key, text, *f.Default)
		}
	}
	for key := range declared {
		if !known[key] {
			t.Errorf("Pulumi.yaml declares %s, which Go does not know", key)
		}
	}
}

// TestDefaults holds that a program without the project's defaults comes to the same values: they stand in Go as well.
func TestDefaults(t *testing.T) {
	whole := settings(t, "staging")
	sparse := source{}
	for _, key := range []string{"githubOwner", "githubRepository", "githubEnvironment", "githubPreview", "services", "registryStacks"} {
		sparse[key] = whole[key]
	}
	if got, want := load(t, sparse, "staging"), load(t, whole, "staging"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// blind is a source that cannot list its keys, as outside a language host.
type blind struct{ source }

func (blind) Keys() ([]string, bool) { return nil, false }

func TestKeysUnknown(t *testing.T) {
	if _, err := config.Load(blind{settings(t, "staging")}, "staging"); err != nil {
		t.Error(err)
	}
}

// TestSubnets holds the carved ranges against their rules: inside the VPC, apart from each other, private ones widest.
func TestSubnets(t *testing.T) {
	for _, vpc := range []string{"10.0.0.0/16", "172.16.64.0/18", "192.168.4.0/22"} {
		for zones := 2; zones <= 3; zones++ {
			network := config.Network{Cidr: netip.MustParsePrefix(vpc), ZoneCount: zones}
			public, private, isolated := network.Subnets()
			all := slices.Concat(public, private, isolated)
			if len(all) != 3*zones {
				t.Fatalf("%s over %d zones: %v", vpc, zones, all)
			}
			for i, one := range all {
				if one != one.Masked() || !network.Cidr.Overlaps(one) || one.Bits() <= network.Cidr.Bits() {
					t.Errorf("%s over %d zones: %s is no part of it", vpc, zones, one)
				}
				for _, other := range all[i+1:] {
					if one.Overlaps(other) {
						t.Errorf("%s over %d zones: %s overlaps %s", vpc, zones, one, other)
					}
				}
			}
			if private[0].Bits() > 26 || public[0].Bits() > 28 {
				t.Errorf("%s: the subnets are too small: %v", vpc, all)
			}
		}
	}
}

// TestSubnetsStay holds that a third zone moves no subnet of the first two: moving one replaces all that is in it.
func TestSubnetsStay(t *testing.T) {
	network := config.Network{Cidr: netip.MustParsePrefix("10.0.0.0/16"), ZoneCount: 2}
	public, private, isolated := network.Subnets()
	network.ZoneCount = 3
	morePublic, morePrivate, moreIsolated := network.Subnets()
	if !slices.Equal(public, morePublic[:2]) || !slices.Equal(private, morePrivate[:2]) || !slices.Equal(isolated, moreIsolated[:2]) {
		t.Error("a third zone moves subnets")
	}
}

// FuzzLoad holds that no text makes the parser panic, or accept a value outside its limits.
func FuzzLoad(f *testing.F) {
	keys := []string{"networkCidr", "networkPublicCidrs", "services", "serviceOverrides", "databaseStorageGb", "databaseMultiAz"}
	whole := settings(f, "staging")
	for i, key := range keys {
		f.Add(i, whole[key])
	}
	f.Add(3, `{"backend": {"cpu": 256, "memory": 512, "environment": {"A": "b"}, "path": ["/a/*"]}}`)
	f.Add(1, `["10.0.128.0/20", "10.0.144.0/20"]`)
	f.Fuzz(func(t *testing.T, which int, text string) {
		changed := maps.Clone(whole)
		changed[keys[uint(which)%uint(len(keys))]] = text
		cfg, err := config.Load(changed, "staging")
		if (cfg == nil) == (err == nil) {
			t.Fatalf("got %v and %v", cfg, err)
		}
		if err != nil {
			return
		}
		if cfg.Database.StorageGb < 20 || cfg.Network.ZoneCount != 2 || len(cfg.Services) == 0 {
			t.Errorf("accepted %+v", cfg)
		}
		for _, s := range cfg.Services {
			if s.Port < 1024 && s.Port != 0 || s.Count < 0 || s.CPU < 256 {
				t.Errorf("accepted %+v", s)
			}
		}
	})
}

// TestConnections holds how many connections are too many for a class: fewer than it allows, by far or by the configuration.
func TestConnections(t *testing.T) {
	for class, want := range map[string]int{
		"db.t4g.micro": 67, "db.t4g.small": 135, "db.m7g.large": 540, "db.r7g.large": 1081, "db.r7g.12xlarge": 3000, "db.x2g.large": 0, "db.t4g.huge": 0,
	} {
		src := settings(t, "staging")
		src["databaseInstanceClass"] = class
		if got := load(t, src, "staging").MostConnections(); got != want {
			t.Errorf("%s: %d, want %d", class, got, want)
		}
		src["alarms"], src["alarmsConnections"] = "true", "42"
		if got := load(t, src, "staging").MostConnections(); got != 42 {
			t.Errorf("%s, configured: %d", class, got)
		}
	}
}
