"""What each page shows.

Not called pages: Streamlit would serve such a folder itself.
"""
