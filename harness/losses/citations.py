"""Papers that several entries or penalties cite, by author; others stand with the one entry that cites them."""

from __future__ import annotations

from harness.losses.metadata import Citation

ARJOVSKY_2017 = Citation(
    key="arjovsky2017wasserstein",
    authors=("Martin Arjovsky", "Soumith Chintala", "Léon Bottou"),
    year=2017,
    title="Wasserstein GAN",
    identifier="arXiv:1701.07875",
)

GULRAJANI_2017 = Citation(
    key="gulrajani2017improved",
    authors=("Ishaan Gulrajani", "Faruk Ahmed", "Martin Arjovsky", "Vincent Dumoulin", "Aaron Courville"),
    year=2017,
    title="Improved Training of Wasserstein GANs",
    identifier="arXiv:1704.00028",
)

KODALI_2017 = Citation(
    key="kodali2017convergence",
    authors=("Naveen Kodali", "Jacob Abernethy", "James Hays", "Zsolt Kira"),
    year=2017,
    title="On Convergence and Stability of GANs",
    identifier="arXiv:1705.07215",
)

MESCHEDER_2017 = Citation(
    key="mescheder2017numerics",
    authors=("Lars Mescheder", "Sebastian Nowozin", "Andreas Geiger"),
    year=2017,
    title="The Numerics of GANs",
    identifier="arXiv:1705.10461",
)

MESCHEDER_2018 = Citation(
    key="mescheder2018which",
    authors=("Lars Mescheder", "Andreas Geiger", "Sebastian Nowozin"),
    year=2018,
    title="Which Training Methods for GANs do actually Converge?",
    identifier="arXiv:1801.04406",
)

MIYATO_2018 = Citation(
    key="miyato2018spectral",
    authors=("Takeru Miyato", "Toshiki Kataoka", "Masanori Koyama", "Yuichi Yoshida"),
    year=2018,
    title="Spectral Normalization for Generative Adversarial Networks",
    identifier="arXiv:1802.05957",
)

PETZKA_2018 = Citation(
    key="petzka2018regularization",
    authors=("Henning Petzka", "Asja Fischer", "Denis Lukovnikov"),
    year=2018,
    title="On the regularization of Wasserstein GANs",
    identifier="arXiv:1709.08894",
)

SALIMANS_2016 = Citation(
    key="salimans2016improved",
    authors=("Tim Salimans", "Ian Goodfellow", "Wojciech Zaremba", "Vicki Cheung", "Alec Radford", "Xi Chen"),
    year=2016,
    title="Improved Techniques for Training GANs",
    identifier="arXiv:1606.03498",
)

SONDERBY_2017 = Citation(
    key="sonderby2017amortised",
    authors=("Casper Kaae Sønderby", "Jose Caballero", "Lucas Theis", "Wenzhe Shi", "Ferenc Huszár"),
    year=2017,
    title="Amortised MAP Inference for Image Super-resolution",
    identifier="arXiv:1610.04490",
)

THANH_TUNG_2019 = Citation(
    key="thanhtung2019improving",
    authors=("Hoang Thanh-Tung", "Truyen Tran", "Svetha Venkatesh"),
    year=2019,
    title="Improving Generalization and Stability of Generative Adversarial Networks",
    identifier="arXiv:1902.03984",
)

WU_2018 = Citation(
    key="wu2018wasserstein",
    authors=("Jiqing Wu", "Zhiwu Huang", "Janine Thoma", "Dinesh Acharya", "Luc Van Gool"),
    year=2018,
    title="Wasserstein Divergence for GANs",
    identifier="arXiv:1712.01026",
)
