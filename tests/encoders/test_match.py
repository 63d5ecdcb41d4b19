import numpy as np
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st
from planted import AS_OF, World

from encoders.histories import read_histories
from encoders.match import Match, TextTower, Vocabulary, item_structure, sparse_product


@given(st.integers(1, 8), st.integers(1, 6), st.integers(1, 5), st.floats(0, 1), st.integers(0, 2**31))
def test_the_sparse_product_and_its_gradient_equal_dense_ones(
    rows: int, inner: int, columns: int, density: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = sp.random(rows, inner, density, "csr", np.float32, rng)
    values = torch.from_numpy(rng.standard_normal((inner, columns)).astype(np.float32))
    weights = torch.from_numpy(rng.standard_normal((rows, columns)).astype(np.float32))
    sparse, dense = values.clone().requires_grad_(), values.clone().requires_grad_()
    product = sparse_product(matrix, sparse)
    expected = torch.from_numpy(matrix.toarray()) @ dense
    torch.testing.assert_close(product, expected)
    (product * weights).sum().backward()  # type: ignore[no-untyped-call]
    (expected * weights).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(sparse.grad, dense.grad)


def test_the_gradient_passes_a_transposed_view() -> None:
    matrix = sp.csr_matrix(np.eye(3, dtype=np.float32))
    weights = torch.arange(6.0).reshape(2, 3).requires_grad_()
    sparse_product(matrix, weights.T).sum().backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
    assert weights.grad.tolist() == [[1.0] * 3] * 2


def test_item_structure_knows_what_goes_together(world: World) -> None:
    histories = read_histories(world.dataset.before(AS_OF))
    structure = item_structure(histories)
    items = world.dataset.items
    main = (items["source"] == "purchases").to_numpy()
    group = items["group"].to_numpy()
    diapers, food, wine = (np.flatnonzero(main & (group == name)) for name in ("diapers", "baby food", "wine"))
    assert not structure.diagonal().any()
    assert structure[np.ix_(diapers, food)].min() > structure[np.ix_(diapers, wine)].max()
    assert not structure[np.flatnonzero(group == "telescope")].any(), "one user is too few to learn from"


def test_attention_sums_to_one_over_allowed_items_only() -> None:
    match = Match(4)
    allowed = torch.tensor([[True, False, True], [False, False, False]])
    weights = match.attention(torch.randn(2, 3), allowed)
    torch.testing.assert_close(weights.sum(-1), torch.tensor([[1.0, 0.0]] * len(weights)))
    assert not weights[:, ~allowed].any()


def test_the_nearest_alternative_counts() -> None:
    match = Match(2)
    axes = np.eye(2, dtype=np.float32)
    vocabulary = Vocabulary(["a", "b"], ["g", "g"], ["buy"], np.zeros(2, np.int64), axes, axes[[1, 1]])
    phrases = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    near = match.nearness(phrases, torch.tensor([0, 0, 1]), vocabulary, 2)
    assert near.text.tolist() == [[1.0, 1.0], [1.0, 0.0]]
    assert near.group.tolist() == [[1.0, 1.0], [0.0, 0.0]]
    relevance = match.relevance(near)
    assert relevance[0].tolist() == [1.0, 1.0]
    assert relevance[1, 0] > relevance[1, 1]


def test_the_text_tower_begins_as_the_identity() -> None:
    vectors = torch.nn.functional.normalize(torch.randn(5, 8), dim=-1)
    torch.testing.assert_close(TextTower(8)(vectors), vectors)
