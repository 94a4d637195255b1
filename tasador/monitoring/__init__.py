"""What is really asked of the champion: does it still suit, and if it hurts, is training due?"""
