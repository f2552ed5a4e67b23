import shutil

import pytest

from ragtuned_kedro.language_models.base_model import resolve_base_model
from ragtuned_kedro.language_models.chat import load_chat
from ragtuned_kedro.schemas.errors import UserError
from ragtuned_kedro.schemas.records import Message

QUESTION = Message(role="user", content="Who mended the clock?")
ANSWER = Message(role="assistant", content="Odile.")


def test_only_the_last_answer_and_its_end_are_targets(toy_model):
    chat = load_chat(toy_model.path)
    earlier = (QUESTION, Message(role="assistant", content="Teague."))
    tokens = chat.example_ids((*earlier, QUESTION, ANSWER))
    targets = [
        token for token, is_target in zip(tokens.ids, tokens.is_target, strict=True) if is_target
    ]
    assert chat.tokenizer.decode(targets) == "Odile.<|im_end|>"


def test_a_model_is_asked_with_the_tokens_that_it_was_trained_on(toy_model):
    chat = load_chat(toy_model.path)
    tokens = chat.example_ids((QUESTION, ANSWER))
    prompt = chat.prompt_ids((QUESTION,))
    assert list(tokens.ids[: len(prompt)]) == prompt
    assert not any(tokens.is_target[: len(prompt)])
    assert all(tokens.is_target[len(prompt) :])


def test_an_empty_system_message_is_no_message(toy_model):
    chat = load_chat(toy_model.path)
    empty = Message(role="system", content="")
    assert chat.prompt_ids((empty, QUESTION)) == chat.prompt_ids((QUESTION,))
    assert "system" not in chat.tokenizer.decode(chat.prompt_ids((QUESTION,)))


def test_a_template_without_an_end_token_gets_one(toy_model, tmp_path):
    template = "{% for message in messages %}{{ message['content'] + '\n' }}{% endfor %}"
    model = resolve_base_model(
        toy_model.path, revision=None, sha256=None, chat_template=template, cache=tmp_path
    )
    chat = load_chat(model.path)
    assert chat.example_ids((QUESTION, ANSWER)).ids[-1] in chat.end_ids


def test_a_template_that_rewrites_the_prompt_is_refused(toy_model, tmp_path):
    template = (
        "{{ messages | length }}{% for message in messages %}{{ message['content'] }}{% endfor %}"
    )
    model = resolve_base_model(
        toy_model.path, revision=None, sha256=None, chat_template=template, cache=tmp_path
    )
    with pytest.raises(UserError, match="chat_template"):
        load_chat(model.path).example_ids((QUESTION, ANSWER))


def test_a_tokenizer_without_a_template_is_refused(toy_model, tmp_path):
    folder = shutil.copytree(toy_model.path, tmp_path / "bare")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(UserError, match="chat_template"):
        load_chat(str(folder))
