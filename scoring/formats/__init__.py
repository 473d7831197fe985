"""The file formats of the export, one module each; all take the same tables, part by part."""

from __future__ import annotations

from scoring.formats import as_csv, as_json, as_parquet, as_xlsx
from scoring.formats.content import Content, Format, FormatUnavailable, Opener

__all__ = ["FORMATS", "Content", "Format", "FormatUnavailable", "Opener"]

FORMATS: dict[str, Format] = {
    found.id: found for found in (as_csv.CSV, as_json.JSON, as_parquet.PARQUET, as_xlsx.XLSX)
}
