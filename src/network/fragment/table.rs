//! What is known of operations by their names: which may run, and the few that mean something to
//! the search for blocks. Everything else about them libtorch knows itself.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::node::split;

/// Pure functions of tensors. Nothing here reads files, changes storage that others see, or draws
/// random numbers (dropout and its like are refused where they would).
const ALLOWED: &str = "
    __and__ __or__ __xor__ __lshift__ __rshift__ _adaptive_avg_pool1d _adaptive_avg_pool2d
    _adaptive_avg_pool3d _cast_Float _convolution _log_softmax _safe_softmax
    _scaled_dot_product_flash_attention_for_cpu _softmax _to_copy _unsafe_index _unsafe_view
    _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_nearest_exact1d
    _upsample_nearest_exact2d _weight_norm abs absolute acos adaptive_avg_pool1d
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d add addbmm
    addcdiv addcmul addmm addmv addr adjoint affine_grid_generator alias all amax amin aminmax any
    arange arccos arcsin arctan arctan2 argmax argmin argsort asin asinh atan atan2 atanh
    atleast_1d atleast_2d atleast_3d avg_pool1d avg_pool2d avg_pool3d baddbmm batch_norm
    bitwise_and bitwise_not bitwise_or bitwise_xor block_diag bmm broadcast_tensors broadcast_to
    bucketize cartesian_prod cat cdist ceil celu channel_shuffle chunk clamp clamp_max clamp_min
    clip clone column_stack complex concat concatenate conj constant_pad_nd contiguous conv1d
    conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution copy copysign cos
    cosh cosine_similarity count_nonzero cross cummax cummin cumprod cumsum deg2rad detach
    diag_embed diagonal diagonal_scatter diff div divide dot dstack einsum elu embedding
    empty empty_like eq equal erf erfc erfinv exp exp2 expand expand_as expm1 eye
    fft_fft fft_fft2 fft_fftn fft_hfft fft_ifft fft_ifft2 fft_ifftn fft_irfft fft_irfft2 fft_irfftn
    fft_rfft fft_rfft2 fft_rfftn fft_fftshift fft_ifftshift fill flatten flip fliplr flipud
    float_power floor floor_divide fmax fmin fmod frac frobenius_norm full full_like gather ge gelu
    ger glu greater greater_equal grid_sampler grid_sampler_2d group_norm gru gt hann_window hardshrink
    hardsigmoid hardswish hardtanh heaviside hstack hypot im2col col2im imag index index_add
    index_copy index_fill index_put index_select inner instance_norm isclose isfinite isin isinf
    isnan item kron layer_norm le leaky_relu lerp less less_equal lift_fresh_copy linalg_cross
    linalg_norm linalg_vecdot linalg_vector_norm linear linspace log log10 log1p log2 log_sigmoid
    log_softmax logaddexp logaddexp2 logcumsumexp logical_and logical_not logical_or logical_xor
    logit logspace logsumexp lstm lt mT mH masked_fill masked_scatter masked_select matmul max
    max_pool1d max_pool2d max_pool2d_with_indices max_pool3d maximum mean median meshgrid min
    minimum mish mm moveaxis movedim mul multiply mv nan_to_num nanmean nansum narrow native_batch_norm
    _native_batch_norm_legit_no_training native_group_norm native_layer_norm ne neg negative
    new_empty new_full new_ones new_zeros nonzero norm not_equal numpy_T one_hot ones ones_like
    outer pad pairwise_distance permute pixel_shuffle pixel_unshuffle polar positive pow prelu prod
    rad2deg ravel real reciprocal reflection_pad1d reflection_pad2d relu relu6 remainder
    repeat repeat_interleave replication_pad1d replication_pad2d reshape reshape_as
    resolve_conj resolve_neg rms_norm _fused_rms_norm roll rot90 round rsqrt rsub scalar_tensor
    scaled_dot_product_attention scatter scatter_add scatter_reduce searchsorted select
    select_scatter selu sgn sigmoid sign signbit silu sin sinc sinh slice slice_scatter
    softmax softmin softplus softshrink sort special_erf special_exp2 special_expit
    special_log_softmax special_softmax split split_with_sizes sqrt square squeeze stack std
    std_mean sub subtract sum swapaxes swapdims t take take_along_dim tan tanh tensor_split
    tensordot threshold tile to topk trace transpose tril tril_indices triu triu_indices true_divide
    trunc type_as unbind unflatten unfold unsafe_chunk unsafe_split unsafe_split_with_sizes
    unsqueeze upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
    upsample_nearest2d upsample_trilinear3d vander var var_mean vdot view view_as view_as_complex
    view_as_real vstack where xlogy zero zeros zeros_like
";

/// Whether `operation`, such as `aten::add.Tensor`, may run: a graph may consist of such alone.
#[must_use]
pub fn is_allowed(operation: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> =
        LazyLock::new(|| ALLOWED.split_ascii_whitespace().collect());
    let (space, name, _) = split(operation);
    space == "aten" && NAMES.contains(name)
}

/// Operations whose output may share storage with their first argument.
const VIEWS: &str = "
    adjoint alias atleast_1d atleast_2d atleast_3d broadcast_to chunk conj contiguous detach
    diagonal expand expand_as flatten imag lift_fresh_copy mH mT moveaxis movedim narrow numpy_T
    permute positive ravel real reshape reshape_as resolve_conj resolve_neg select slice split
    split_with_sizes squeeze swapaxes swapdims t tensor_split to transpose type_as unbind unflatten
    unfold unsqueeze view view_as view_as_complex view_as_real _unsafe_view
";

/// Whether the output of the operation called `name` may share storage with its first argument.
pub(super) fn is_view(name: &str) -> bool {
    static NAMES: LazyLock<HashSet<&str>> =
        LazyLock::new(|| VIEWS.split_ascii_whitespace().collect());
    NAMES.contains(name)
}

/// Where the weight stands among the arguments of a product that the length of a path in layers
/// counts, if it is given as a parameter: convolutions and matrices.
pub(super) fn weight_of(name: &str) -> &'static [usize] {
    match name {
        "conv1d" | "conv2d" | "conv3d" | "convolution" | "_convolution" | "conv_transpose1d"
        | "conv_transpose2d" | "conv_transpose3d" | "linear" => &[1],
        "matmul" | "mm" | "bmm" => &[1, 0],
        "addmm" | "baddbmm" => &[2, 1],
        _ => &[],
    }
}
