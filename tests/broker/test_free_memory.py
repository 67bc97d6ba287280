"""Memory is given back where the system can do it, and nothing happens where it cannot."""

import ctypes
from unittest.mock import Mock, patch

from minikafka.broker import free_memory


def test_giving_memory_back_does_no_harm() -> None:
    free_memory.give_back()
    free_memory.give_back(after_a_crowd=True)


def test_a_system_that_cannot_take_it_back_is_left_alone() -> None:
    with patch.object(ctypes, "CDLL", return_value=Mock(spec=[])):
        free_memory.give_back()
