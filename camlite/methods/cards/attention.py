"""Cards of the methods for transformers, which look at attention."""

from __future__ import annotations

from camlite import methods
from camlite.methods.cards.card import Card, Cost

CARDS = (
    Card(
        function=methods.grad_attention,
        title="Grad-attention: attention weighted by its gradient",
        short="Grad-attention",
        family="attention",
        layers="none",
        paper="Chefer, Gur, Wolf. Generic Attention-model Explainability for Interpreting Bi-Modal "
        "and Encoder-Decoder Transformers. ICCV 2021. arXiv 2103.15679",
        equation="Ā = mean_heads ReLU(∂Y/∂A ∘ A), R ← R + Ā R  (Eq. 5, 6)",
        needs="a transformer with softmax attention over all its tokens",
        passes=lambda s, o: Cost(forwards=1, backwards=1),  # to the first block's attention
        caveats=(
            "Attention says how tokens mix, not what the linear layers make of them.",
            "Skip connections weigh 1 whatever they carry; negative gradients are dropped.",
            "Keeps heads · T² numbers for each block and image: T tokens, 197 for ViT-B/16.",
            "Read in the authors' notebook for ViT (commit 58eaea8), not in the paper.",
        ),
        variants=(
            'read="class": the row of the class token, as the authors.',
            'read="mean": the mean of the patches\' rows, where the network averages patches.',
        ),
    ),
    Card(
        function=methods.legrad,
        title="LeGrad: where more attention would raise the score",
        short="LeGrad",
        family="attention",
        layers="several",
        paper="Bousselham, Boggust, Chaybouti, Strobelt, Kuehne. LeGrad: An Explainability Method "
        "for Vision Transformers via Feature Formation Sensitivity. ICCV 2025. arXiv 2404.03214",
        equation="L = mean_l mean_heads,i ReLU(∂Y_l/∂A_l), Y_l the score of block l's mean token",
        needs="a transformer with softmax attention over all its tokens, one in each block",
        passes=lambda s, o: Cost(forwards=1, backwards_after=1),
        caveats=(
            "The head was trained on the last block's class token and reads mean tokens here.",
            "Each gradient passes its own block only: what later blocks do with it is not seen.",
            "The attention itself does not enter: a patch that no token looks at can be lit.",
            "Formula from the authors' code for CLIP (commit a9edb03), not from the paper.",
        ),
        variants=(
            "layer=None: all blocks; the authors' code takes the last two.",
            "Mean over the blocks, not scaled; the authors' code adds and scales to [0, 1].",
        ),
    ),
)
