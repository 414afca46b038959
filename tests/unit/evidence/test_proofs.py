"""Merkle paths: each leads from its own leaf to the root of its block, and no other does."""

import hashlib

import pytest

from gateway.journal.blocks import merkle_root
from gateway.journal.proofs import merkle_path, root_by

LEAVES = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(33)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 13, 16, 17, 33])
def test_every_leaf_leads_to_the_root(count):
    leaves = LEAVES[:count]
    root = merkle_root(leaves)
    for index, leaf in enumerate(leaves):
        assert root_by(leaf, merkle_path(leaves, index)) == root


def test_another_leaf_does_not_lead_there():
    root = merkle_root(LEAVES)
    path = merkle_path(LEAVES, 5)
    assert [leaf for leaf in LEAVES if root_by(leaf, path) == root] == [LEAVES[5]]


def test_a_node_cannot_pass_for_a_leaf():
    node = hashlib.sha256(b"\1" + b"".join(hashlib.sha256(b"\0" + bytes.fromhex(x)).digest() for x in LEAVES[:2]))
    path = merkle_path(LEAVES[:4], 0)[1:]
    assert root_by(node.hexdigest(), path) != merkle_root(LEAVES[:4])
