"""The two seams of the product: who transcribes (`asr`) and who judges (`analyst`). Each has two real implementations."""
