"""The catalogued training data: one chat per line, whatever its texts hold."""

import json
from pathlib import Path

import pandas as pd
import yaml
from kedro_datasets.pandas import JSONDataset

ROOT = Path(__file__).parents[2]
TEXTS = ("1974-01-02", "214", "true", "a/b", '"q"\n\u2028\u00e9', "")


def open_examples(file: Path) -> JSONDataset:
    entry = yaml.safe_load((ROOT / "conf/base/catalog_synthesis.yml").read_text())
    settings = entry["training_examples"]
    assert settings["type"] == "pandas.JSONDataset"
    return JSONDataset(
        filepath=str(file), load_args=settings["load_args"], save_args=settings["save_args"]
    )


def test_every_text_comes_back_as_it_was_and_the_same_rows_give_the_same_bytes(tmp_path):
    rows = [
        {"qa_id": text, "messages": [{"role": "user", "content": text}], "n_tokens": place}
        for place, text in enumerate(TEXTS)
    ]
    first, second = (open_examples(tmp_path / name) for name in ("1.jsonl", "2.jsonl"))
    first.save(pd.DataFrame(rows))
    assert first.load().to_dict("records") == rows
    second.save(first.load())
    content = (tmp_path / "1.jsonl").read_bytes()
    assert content == (tmp_path / "2.jsonl").read_bytes()
    assert [json.loads(line) for line in content.rstrip(b"\n").split(b"\n")] == rows
