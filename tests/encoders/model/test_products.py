import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from encoders.model.match import sparse_product


@given(st.integers(1, 8), st.integers(1, 6), st.integers(1, 9), st.floats(0, 1), st.integers(0, 2**31))
def test_the_sparse_product_and_its_gradient_equal_dense_ones(
    rows: int, inner: int, columns: int, density: float, seed: int
) -> None:
    """Narrow and wide ones go different ways."""
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


@pytest.mark.parametrize("columns", [1, 2, 40])
def test_without_its_library_the_product_is_the_same(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    rng = np.random.default_rng(columns)
    matrix = sp.random(30, 20, 0.3, "csr", np.float32, rng)
    dense = torch.from_numpy(rng.standard_normal((20, columns)).astype(np.float32))
    with_library = sparse_product(matrix, dense)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    torch.testing.assert_close(sparse_product(matrix, dense), with_library)


@pytest.mark.parametrize("columns", [1, 40])
def test_nobody_has_no_products(columns: int) -> None:
    assert sparse_product(sp.csr_matrix((0, 3), dtype=np.float32), torch.ones(3, columns)).shape == (0, columns)


def test_the_gradient_passes_a_transposed_view() -> None:
    matrix = sp.csr_matrix(np.eye(3, dtype=np.float32))
    weights = torch.arange(6.0).reshape(2, 3).requires_grad_()
    sparse_product(matrix, weights.T).sum().backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
    assert weights.grad.tolist() == [[1.0] * 3] * 2
