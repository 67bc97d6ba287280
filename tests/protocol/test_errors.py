"""The error table against kio's, and the exceptions made from it."""

import pickle
import subprocess
import sys

import pytest
from kio.schema.errors import ErrorCode as KioErrorCode

from minikafka.protocol import errors
from minikafka.protocol.errors import ErrorCode, KafkaError, error_class


def test_the_table_has_kafkas_names_numbers_and_retriability():
    ours = [(code.name, int(code), code.retriable) for code in ErrorCode]
    assert ours == [(code.name.upper(), int(code), code.retriable) for code in KioErrorCode]


def test_every_message_is_a_different_sentence_without_an_end():
    messages = [code.message for code in ErrorCode]
    assert len(set(messages)) == len(messages)
    assert all(message[0].islower() and message[-1] != "." for message in messages)


def test_a_code_is_an_int_that_remembers_its_row():
    code = ErrorCode(16)
    assert code is ErrorCode.NOT_COORDINATOR
    assert code == 16
    assert code.retriable


@pytest.mark.parametrize("code", [code for code in ErrorCode if code], ids=lambda code: code.name)
def test_every_code_has_one_class_found_by_name(code):
    cls = error_class(code)
    assert cls is getattr(errors, cls.__name__)
    assert issubclass(cls, KafkaError)
    error = KafkaError.of(int(code))
    assert type(error) is cls
    assert (error.code, error.name, error.retriable) == (code, code.name, code.retriable)
    assert str(error) == code.message


def test_a_program_catches_one_error_by_name():
    with pytest.raises(errors.UnknownTopicOrPartition, match="topic 'orders'"):
        raise KafkaError.of(3, "topic 'orders'")


def test_an_unknown_code_is_an_unknown_server_error_that_names_the_number():
    error = KafkaError.of(31_000, "from the future")
    assert error.code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert "31000" in str(error)
    assert "from the future" in str(error)
    assert "31000" in str(KafkaError.of(31_000))


def test_no_error_is_not_an_exception():
    with pytest.raises(ValueError, match="NONE"):
        KafkaError.of(0)
    with pytest.raises(AttributeError):
        errors.NoSuchError  # noqa: B018


def test_an_error_survives_pickling_as_worker_pools_need():
    error = pickle.loads(pickle.dumps(errors.NotController("node 2")))  # noqa: S301
    assert type(error) is errors.NotController
    assert str(error) == "node 2"


def test_the_import_makes_no_subclass():
    program = "from minikafka.protocol.errors import KafkaError as E; print(E.__subclasses__())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "[]")
