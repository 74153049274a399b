"""A Hugging Face tokenizer: special tokens stay, masks follow, the words of the ops are whole."""

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor, nn

from adaptaug import Augmenter, Constant
from adaptaug.data import load


class Classifier(nn.Module):
    """Takes what a tokenizer returns by name, as the models of `transformers` do."""

    def __init__(self, tokens: int) -> None:
        super().__init__()
        self.embedding, self.output = nn.Embedding(tokens, 64), nn.Linear(64, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        weight = attention_mask / attention_mask.sum(1, keepdim=True)
        return self.output((self.embedding(input_ids) * weight[..., None]).sum(1))


torch.manual_seed(0)
source = load("opinions")  # made-up reviews
words = source.vocabulary.words
texts = [" ".join(words[i] for i in row if i) for row in source.train.inputs[:600]]
labels, y_val = source.train.targets[:300], source.train.targets[300:600]

# Yours is `AutoTokenizer.from_pretrained(...)`; this one is made here, without a download.
special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
tokenizer = Tokenizer(models.WordPiece(unk_token=special[1]))
tokenizer.normalizer = normalizers.BertNormalizer()
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
trainer = trainers.WordPieceTrainer(vocab_size=150, special_tokens=special, show_progress=False)
tokenizer.train_from_iterator(texts, trainer)
tokenizer.post_processor = processors.TemplateProcessing(
    single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
)
tokenizer.enable_padding()


def encoded(texts: list[str]) -> dict[str, Tensor]:
    rows = tokenizer.encode_batch(texts)
    return {
        "input_ids": torch.tensor([row.ids for row in rows]),
        "attention_mask": torch.tensor([row.attention_mask for row in rows]),
    }


model = Classifier(tokenizer.get_vocab_size())
steps = 100
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
augmenter = Augmenter(
    Constant([0.5, 0.3, 0.3]),  # or a policy's folder, "runs/words/policy", and then no `ops`
    model,
    held_out=(encoded(texts[300:]), y_val),
    ops=("synonym", "swap", "masking"),
    vocabulary=tokenizer,
    lexicon="opinions",
    total_steps=steps,
    n_train=len(labels),
)

for _ in range(steps):
    rows = torch.randint(300, (32,))
    batch, y = augmenter(encoded([texts[row] for row in rows]), labels[rows])
    logits = model(**batch)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    augmenter.record(loss, (logits.argmax(1) == y).float().mean())

print("before:", texts[rows[0]])
print("after: ", " ".join(tokenizer.id_to_token(i) for i in batch["input_ids"][0].tolist()))
