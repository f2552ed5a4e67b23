import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from ragtuned_kedro.language_models.openings import write_openings
from ragtuned_kedro.pipelines.register_model.registry import Scored, register_adapter
from ragtuned_kedro.schemas.records import AdapterCard, BaseModelFolder

NAME = "toy"
CONFIG = {"max_new_tokens": 8, "base_model_path": "/nowhere"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory):
    """A registry in a file of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_experiment("toy", artifact_location=(folder / "artifacts").as_uri())
    mlflow.set_experiment("toy")
    yield MlflowClient()
    mlflow.set_tracking_uri(before)


def _card(adapter_id: str) -> AdapterCard:
    values = {
        name: 0.5 if "float" in str(field.annotation) else 1
        for name, field in AdapterCard.model_fields.items()
        if field.annotation in (int, float) or field.annotation == float | None
    }
    texts = {
        name: "x" for name, field in AdapterCard.model_fields.items() if field.annotation is str
    }
    return AdapterCard.model_validate(
        {**values, **texts, "adapter_id": adapter_id, "target_modules": ["q_proj"]}
    )


def _register(
    folder: Path, adapter_id: str, tuned: float | None, *, base: float | None = 0.1, sha: str = "q"
) -> dict:
    card = _card(adapter_id)
    adapter = folder / adapter_id
    adapter.mkdir(exist_ok=True)
    (adapter / "adapter_card.json").write_text(card.model_dump_json())
    return register_adapter(
        model_name=NAME,
        adapter_folder=adapter,
        card=card,
        model_config=CONFIG,
        scored=Scored(tuned, base, sha),
        min_gain=0.05,
    )


def _aliases(client: MlflowClient) -> dict[str, str]:
    return {name: str(one) for name, one in client.get_registered_model(NAME).aliases.items()}


def test_the_registry_tells_the_story_of_its_champions(
    client: MlflowClient, tmp_path: Path
) -> None:
    no_questions = _register(tmp_path, "first", None, base=None)
    assert not no_questions["is_promoted"]
    assert _aliases(client) == {"challenger": "1"}

    scored_later = _register(tmp_path, "first", 0.5)
    assert (scored_later["version"], scored_later["is_new_version"]) == ("1", False)
    assert scored_later["aliases"] == ["challenger", "champion"]

    again = _register(tmp_path, "first", 0.5)
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 1
    assert "already" in again["decision"]
    assert _aliases(client) == {"challenger": "1", "champion": "1"}

    too_little = _register(tmp_path, "second", 0.52)
    assert too_little["version"] == "2"
    assert _aliases(client) == {"challenger": "2", "champion": "1"}

    winner = _register(tmp_path, "third", 0.7)
    assert winner["is_promoted"]
    assert winner["model_uri"] == f"models:/{NAME}@champion"
    assert _aliases(client) == {"challenger": "3", "champion": "3"}

    other_questions = _register(tmp_path, "fourth", 0.9, sha="other")
    assert "other questions" in other_questions["decision"]
    assert _aliases(client) == {"challenger": "4", "champion": "3"}
    assert json.loads(json.dumps(winner)) == winner


def test_a_version_pins_what_it_needs_and_holds_the_adapter(
    client: MlflowClient, tmp_path: Path
) -> None:
    result = _register(tmp_path, "pinned", 0.2)
    source = client.get_model_version(NAME, result["version"]).source
    folder = Path(mlflow.artifacts.download_artifacts(source, dst_path=str(tmp_path / "got")))
    pins = (folder / "requirements.txt").read_text().split()
    assert all("==" in pin and "+" not in pin for pin in pins)
    assert (folder / "artifacts" / "pinned" / "adapter_card.json").exists()


def _toy_base(folder: Path) -> BaseModelFolder:
    """A llama of two tiny layers over a dozen words."""
    words = ["<end>", "<user>", "<bot>", "?", "Who", "mended", "the", "clock", "Marta", "did"]
    tokenizer = Tokenizer(WordLevel({word: at for at, word in enumerate(words)}, unk_token="?"))  # noqa: S106
    tokenizer.pre_tokenizer = WhitespaceSplit()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>")  # noqa: S106
    wrapped.chat_template = (
        "{% for m in messages %}{{ '<' + ('user' if m.role == 'user' else 'bot') + '> ' }}"
        "{{ m.content + ' ' }}{% endfor %}{% if add_generation_prompt %}{{ '<bot> ' }}{% endif %}"
    )
    wrapped.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        eos_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return BaseModelFolder(str(folder), "toy", "toy-revision")


@pytest.mark.slow
def test_a_fresh_process_asks_the_registered_model(client: MlflowClient, tmp_path: Path) -> None:
    base = _toy_base(tmp_path / "base")
    weights = LlamaForCausalLM.from_pretrained(base.path)
    shape = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    get_peft_model(weights, shape).save_pretrained(tmp_path / "adapter")
    card = _card("asked").model_copy(
        update={
            "base_model_revision": base.revision,
            "quantization": "none",
            "compute_dtype": "float32",
        }
    )
    (tmp_path / "adapter" / "adapter_card.json").write_text(card.model_dump_json())
    write_openings([(3, 4), (5,)], tmp_path / "adapter")
    result = register_adapter(
        model_name="asked",
        adapter_folder=tmp_path / "adapter",
        card=card,
        model_config={
            "base_model_source": "toy",
            "base_model_path": base.path,
            "base_model_id": base.model_id,
            "base_model_revision": base.revision,
            "system_prompt": "",
            "max_new_tokens": 4,
            "batch_size": 2,
            "recall": {
                "n_recalled": 2,
                "opening_tokens": 2,
                "keeps_to_taught_openings": True,
                "n_variants": 2,
                "fork_probability": 0.2,
                "n_read": 1,
                "opening_weight": 0.5,
                "told_weight": 1.0,
                "sentence_told_weight": 1.0,
                "abstention": "No.",
                "abstention_probability": 0.5,
                "asks_with_fewer_words": True,
                "refuses_unknown_names": False,
            },
            "device": "cpu",
            "n_threads": 1,
        },
        scored=Scored(0.5, 0.1, "q"),
        min_gain=0.0,
    )
    script = (
        "import json, mlflow\n"
        f"model = mlflow.pyfunc.load_model({result['model_uri']!r})\n"
        "answers = model.predict(['Who mended the clock ?', 'Who ?'])\n"
        "print(json.dumps(list(answers)))\n"
    )
    asked = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(),
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    assert len(json.loads(asked.stdout.splitlines()[-1])) == 2


def test_a_password_in_the_tracking_address_is_not_passed_on() -> None:
    from ragtuned_kedro.pipelines.register_model.registry import _without_password

    assert _without_password("https://me:secret@host:5000/x") == "https://host:5000/x"
    assert _without_password("sqlite:////tmp/a@b.db") == "sqlite:////tmp/a@b.db"
