"""Every option of a training step, used in one way that is not the seed's."""

from __future__ import annotations

from typing import Any

#: One way of using each option that is not the seed's, and some together.
OPTIONS: dict[str, dict[str, Any]] = {
    "weight_clip": {"weight_clip": 0.1},
    "spectral_norm": {"spectral_norm": 1.0},
    "instance_noise": {"instance_noise": 0.5},
    "r1": {"r1": 0.5},
    "r2": {"r2": 0.5},
    "zero_gp": {"zero_gp": 0.5},
    "gp": {"gp": 0.5},
    "one_sided_gp": {"one_sided_gp": 0.5, "lr_d": 0.05},
    "dragan": {"dragan": 0.5},
    "wgan_div": {"wgan_div": 0.5},
    "consensus": {"consensus": 0.5},
    "penalty_decay of r1": {"r1": 0.5, "penalty_decay": 1.0},
    "penalty_decay of instance_noise": {"instance_noise": 0.2, "penalty_decay": 1.0},
    "replay": {"replay": 0.5},
    "ema": {"ema": 0.9},
    "lr_decay": {"lr_decay": 1.0},
    "schedule": {"lr_decay": 1.0, "schedule": "cosine"},
    "d_steps": {"d_steps": 3},
    "g_steps": {"g_steps": 2},
    "simultaneous": {"order": "simultaneous"},
    "extragradient": {"order": "extragradient", "weight_clip": 0.3},
    "optimistic_adam": {"optimizer": "optimistic_adam"},
    "sgd": {"optimizer": "sgd"},
    "negative_momentum": {"optimizer": "sgd", "beta1": -0.5},
    "rmsprop": {"optimizer": "rmsprop", "beta1": 0.0},
    "normal_noise": {"noise": "normal"},
    "latent": {"noise": "normal", "latent": 3},
    "activations_g": {"activations_g": ["tanh", "relu"]},
    "activations_d": {"activations_d": ["leaky_relu", "softplus", "tanh"]},
    "hidden_g": {"hidden_g": 5},
    "affine": {"activations_g": []},
    "everything": {
        "r1": 0.1,
        "gp": 0.2,
        "dragan": 0.3,
        "penalty_decay": 0.5,
        "instance_noise": 0.3,
        "replay": 0.5,
        "spectral_norm": 2.0,
        "consensus": 0.1,
        "weight_clip": 0.3,
        "ema": 0.9,
        "order": "extragradient",
    },
}
SMALL: dict[str, Any] = {"lr_d": 1e-3, "lr_g": 1e-3, "batch": 20, "hidden": 8, "steps": 20}
