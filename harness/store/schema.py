"""The row of a member: its columns, and those that a snapshot fills."""

from __future__ import annotations

import pyarrow as pa

_F64, _F32S, _F64S = pa.float64(), pa.list_(pa.float32()), pa.list_(pa.float64())

#: Values of one member at each step of ``snapshot_step``.
SNAPSHOT_COLUMNS: dict[str, str] = {
    "ks": "KS distance on stratified noise, after that many steps",
    "loss_d": "discriminator's loss in that step",
    "loss_d_real": "the part of it that reads real data alone; null where the loss has no such part",
    "loss_d_fake": "the part of it that reads generated data alone; null where the loss has no such part",
    "loss_g": "generator's loss in that step",
    "real_mean": "mean of the real minibatch",
    "real_sd": "standard deviation of the real minibatch (divisor n, as numpy.std)",
    "fake_mean": "mean of the generated minibatch of the discriminator's step",
    "fake_sd": "its standard deviation",
    "grad_norm_d": "Euclidean norm of the discriminator's gradient",
    "grad_norm_g": "Euclidean norm of the generator's gradient",
    "d_real": "mean probability, sigmoid of the logit, that D gives the real minibatch in its update",
    "d_fake": "the same for the generated minibatch",
    "penalty": "weighted sum of the gradient penalties in D's update; null where there are none",
}

#: One row per member. Every column is a function of the member and the engine alone. The hyper-parameters are those of
#: ``config.fields.Settings``, written out here: deriving them would load pydantic and sympy wherever a sweep is read.
SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # content hash of the member's definition and the engine
        ("stage", pa.string()),  # search | confirm
        ("round", pa.int32()),
        ("arm", pa.string()),  # variant with parameters, and view
        ("trial", pa.int32()),
        ("loss", pa.string()),
        ("loss_params", pa.map_(pa.string(), _F64)),
        ("view", pa.string()),
        ("target", pa.string()),
        ("study_seed", pa.int64()),
        ("seed", pa.int64()),
        ("steps", pa.int32()),
        ("batch", pa.int32()),
        ("hidden", pa.int32()),
        ("hidden_g", pa.int32()),
        ("activations_g", pa.list_(pa.string())),
        ("activations_d", pa.list_(pa.string())),
        ("noise", pa.string()),
        ("latent", pa.int32()),
        ("optimizer", pa.string()),
        ("order", pa.string()),
        ("schedule", pa.string()),
        ("d_steps", pa.int32()),
        ("g_steps", pa.int32()),
        ("lr_d", _F64),
        ("lr_g", _F64),
        ("beta1", _F64),
        ("beta2", _F64),
        ("lr_decay", _F64),
        ("penalty_decay", _F64),
        ("ema", _F64),
        ("replay", _F64),
        ("instance_noise", _F64),
        ("weight_clip", _F64),
        ("spectral_norm", _F64),
        ("r1", _F64),
        ("r2", _F64),
        ("zero_gp", _F64),
        ("gp", _F64),
        ("one_sided_gp", _F64),
        ("dragan", _F64),
        ("wgan_div", _F64),
        ("consensus", _F64),
        ("engine", pa.string()),
        ("outcome", pa.string()),  # scored | diverged | failed | pruned (stopped early to save steps, healthy)
        ("stopped_step", pa.int32()),  # null unless diverged or pruned; 0 where it was never trained
        ("stopped_tensor", pa.string()),  # null unless diverged: e.g. "gradient of D.weight1"
        ("failure", pa.string()),  # null unless failed: the engine's one-line reason
        # On stratified noise; 1 where diverged or failed; of a pruned member where it stopped, null at step 0.
        ("ks", _F64),
        ("ks_iid", _F64),  # on fresh independent draws
        ("ks_pvalue", _F64),
        ("w1", _F64),  # null where diverged or failed, as all below
        ("cvm", _F64),
        ("ad", _F64),
        ("mean", _F64),
        ("sd", _F64),
        ("sample_state", pa.string()),  # ordinary | constant | nonfinite | empty
        ("quantiles", _F64S),  # of the generator's law at the levels QUANTILE_LEVELS; null where not finite
        ("snapshot_step", pa.list_(pa.int32())),
        *[(f"snapshot_{name}", _F64S) for name in SNAPSHOT_COLUMNS],
        ("digest", pa.string()),  # sha256 of the final parameters' bits, both players
        ("generator", _F32S),  # flat parameters of the generator; confirm stage only
    ]
)

#: The columns that hold a member's hyper-parameters: the keys of [train] except snapshots.
HYPERPARAMETERS: tuple[str, ...] = tuple(SCHEMA.names[SCHEMA.names.index("steps") : SCHEMA.names.index("engine")])

#: The levels of the column ``quantiles``: (i + 1/2)/200, i = 0..199.
QUANTILE_LEVELS = tuple((i + 0.5) / 200 for i in range(200))
