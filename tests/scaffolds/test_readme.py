"""The page on the format says what the code takes: no variable, setting or filter is missing from it."""

from scaffolds import SHIPPED, VARIABLES, FileSpec, Settings
from scaffolds.prompts import FILTERS

README = (SHIPPED / "README.md").read_text(encoding="utf-8")


def test_every_variable_stands_at_its_template():
    rows = {line.split("`")[1]: line for line in README.splitlines() if line.startswith("| `")}
    for template, variables in VARIABLES.items():
        for variable in variables:
            assert f"`{variable}`" in rows[template], (template, variable)


def test_every_setting_and_filter_is_named():
    tables = [Settings.model_fields[name].annotation for name in ("turns", "limits", "vocabulary", "roles")]
    keys = [*(set(Settings.model_fields) - {"files"}), *FileSpec.model_fields, *FILTERS]
    keys += [key for table in tables for key in table.model_fields]
    missing = [key for key in keys if f"`{key}`" not in README and f"[{key}]" not in README]
    assert missing == []
