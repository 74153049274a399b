"""Your own images, sentences and tagged tokens as data sets that `search` and `Augmenter` take."""

import torch
from torch.utils.data import TensorDataset

from adaptaug.data import build_vocabulary, from_dataset, from_tagged, from_texts, load, preload

# Images: any map-style Dataset of (PIL image or tensor, label), as torchvision's are.
images, labels = torch.rand(24, 3, 16, 16), torch.arange(24) % 2
train, test = TensorDataset(images[4:], labels[4:]), TensorDataset(images[:4], labels[:4])
pictures = from_dataset(train, test, name="pictures", classes=("cat", "dog"))

# Sentences: strings and integer labels; the vocabulary is made of the training sentences.
texts = ["A fine film.", "A dull film.", "What a fine plot!", "Dull from start to end."]
more = ["A fine start.", "The end is dull."]
reviews = from_texts(texts, [1, 0, 1, 0], test_texts=more, test_labels=[1, 0], name="reviews")

# Tagged tokens: lists of strings and their tags in BIO form.
tokens = [["Ada", "Lovelace", "wrote"], ["He", "met", "Ada"]]
tags = [["B-PER", "I-PER", "O"], ["O", "O", "B-PER"]]
people = from_tagged(tokens, tags, [["She", "met", "Ada"]], tags[1:], name="people")

# By its name a task, the environment and a search find what was preloaded.
preload(reviews)
for source in (pictures, load("reviews"), people):
    print(f"{source.name}: {source.modality}, {len(source.train)} rows, {source.classes}")

# A vocabulary by itself, for a loop of your own: ids (N, L), padded on the right with 0.
vocabulary = build_vocabulary(texts)
print(vocabulary.encode(texts[:1], max_tokens=8, place="my sentences"))
