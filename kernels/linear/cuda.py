"""CUDA twin of the linear map: the reference's array program, whose products are cuBLAS's."""

from chainrule.kernels.linear.reference import backward, forward, product, product_backward

__all__ = ["backward", "forward", "product", "product_backward"]
